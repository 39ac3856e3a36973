#include "server/response_header.h"

#include "base/wire.h"
#include "membership/member.h"
#include "mvcc/store.h"
#include "rpc.pb.h"

namespace holdfast::server {

void append_header(std::string& out, const MemberInfo& member, Revision revision) {
  char bytes[kHeaderBytesMax];
  char* end = bytes + 2;
  const auto put = [&end](uint32_t field, uint64_t value) {
    if (value == 0) return;
    *end++ = static_cast<char>(field << 3);
    end = wire::write_varint(end, value);
  };
  put(1, member.cluster_id().value);
  put(2, member.member_id().value);
  put(3, static_cast<uint64_t>(revision.value));
  put(4, member.term().value);
  bytes[0] = 1 << 3 | 2;
  bytes[1] = static_cast<char>(end - bytes - 2);  // 44 at most: one byte
  out.append(bytes, static_cast<size_t>(end - bytes));
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
