#include "server/response_header.h"

#include "base/wire.h"
#include "membership/member.h"
#include "mvcc/store.h"
#include "rpc.pb.h"

namespace holdfast::server {

void append_header(std::string& out, const MemberInfo& member, Revision revision) {
  wire::Writer writer(out);
  writer.tag(1, wire::Type::bytes);
  const size_t length_at = out.size();
  out.push_back(0);
  writer.put_nonzero_uint64(1, member.cluster_id().value);
  writer.put_nonzero_uint64(2, member.member_id().value);
  writer.put_nonzero_int64(3, revision.value);
  writer.put_nonzero_uint64(4, member.term().value);
  out[length_at] = static_cast<char>(out.size() - length_at - 1);  // 44 at most: one byte
}

void fill_identity(etcdserverpb::ResponseHeader& header, const MemberInfo& member) {
  header.set_cluster_id(member.cluster_id().value);
  header.set_member_id(member.member_id().value);
  header.set_raft_term(member.term().value);
}

void fill_header(etcdserverpb::ResponseHeader& header, const MemberInfo& member) {
  fill_identity(header, member);
  if (header.revision() == 0) header.set_revision(member.store()->current_revision().value);
}

void fill_member(etcdserverpb::Member& to, const membership::Member& from) {
  to.set_id(from.id.value);
  to.set_name(from.name);
  for (const std::string& url : from.peer_urls) to.add_peerurls(url);
  for (const std::string& url : from.client_urls) to.add_clienturls(url);
  to.set_islearner(from.is_learner);
}

}  // namespace holdfast::server
