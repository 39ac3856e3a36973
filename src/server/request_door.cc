#include "server/request_door.h"

#include "apply/go_protobuf.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/wire.h"
#include "membership/v2_store.h"
#include "raft_internal.pb.h"

namespace holdfast::server {

namespace {
// How far apply may lag behind what is committed before new requests are refused (PUT-02), and before even a lease
// revoke is, with the PriorityRequest gate (PUT-03).
constexpr uint64_t kMaxApplyGap = 5000;
constexpr uint64_t kMaxApplyGapPriority = 10000;
constexpr uint32_t kHeaderField = 100;

const google::protobuf::Descriptor& message_type(Command command) {
  const auto* field = etcdserverpb::InternalRaftRequest::descriptor()->FindFieldByNumber(static_cast<int>(command));
  CHECK(field != nullptr, "no field {}", static_cast<uint32_t>(command));
  return *field->message_type();
}

}  // namespace

SharedBytes internal_raft_request(uint64_t id, const AuthInfo& auth, Command command,
                                  std::string_view request) {
  std::string front, back, header;
  wire::Writer front_writer(front);
  front_writer.tag(static_cast<uint32_t>(command), wire::Type::bytes);
  front_writer.varint(request.size());
  wire::Writer header_writer(header);
  header_writer.put_nonzero_uint64(1, id);
  header_writer.put_nonempty_bytes(2, auth.username);
  header_writer.put_nonzero_uint64(3, auth.revision);
  wire::Writer back_writer(back);
  back_writer.put_bytes(kHeaderField, header);
  // Field 100 goes behind the commands below it and before those above: ascending, as Go writes them.
  return static_cast<uint32_t>(command) < kHeaderField
             ? SharedBytes::concat(front, request, back)
             : SharedBytes::concat(back, front, request);
}

RequestDoor::RequestDoor(RaftOwner& raft, ReadIndex& reads, WaitTable& waits,
                         RequestIdGenerator& ids, const RaftBoard& board, const env::Clock& clock,
                         RequestMetrics& metrics, Options options)
    : raft_(raft),
      reads_(reads),
      waits_(waits),
      ids_(ids),
      board_(board),
      clock_(clock),
      metrics_(metrics),
      options_(options) {}

bool RequestDoor::too_far_behind(Command command) const {
  const Index applied = board_.applied();
  const Index committed = board_.committed();
  const bool priority = options_.priority_requests && command == Command::lease_revoke;
  return committed > applied + (priority ? kMaxApplyGapPriority : kMaxApplyGap);
}

void RequestDoor::propose(const CallContext& context, Command command, std::string_view request,
                          ProposalDone done) {
  const env::Instant now = clock_.now();
  WaitTable::Waiter waiter{context.reply_on, now,
                           std::min(context.deadline, now + options_.request_timeout), command,
                           std::move(done)};
  if (too_far_behind(command)) {
    WaitTable::answer(std::move(waiter), error(EtcdError::too_many_requests));
    return;
  }
  // What some member might not be able to read is left out; of a put, which comes most often, it was already.
  std::string known;
  if (command != Command::put && !apply::is_plain(request, message_type(command))) {
    known = apply::without_unknown_fields(request, message_type(command));
    request = known;
  }
  const uint64_t id = ids_.next();
  SharedBytes data = internal_raft_request(id, context.auth, command, request);
  if (data.size() > options_.max_request_bytes) {
    WaitTable::answer(std::move(waiter), error(EtcdError::request_too_large));
    return;
  }
  metrics_.on_proposed();
  waits_.add(id, std::move(waiter));
  raft_.post_proposal(id, std::move(data), context.only_as_leader);
}

void RequestDoor::propose_v2_put(const CallContext& context, Command command, std::string_view path,
                                 std::string_view value, ProposalDone done) {
  const env::Instant now = clock_.now();
  const uint64_t id = ids_.next();
  metrics_.on_proposed();
  waits_.add(id, {context.reply_on, now,
                  std::min(context.deadline, now + options_.request_timeout), command,
                  std::move(done)});
  raft_.post_proposal(id, SharedBytes(membership::to_v2_put(id, path, value)));
}

void RequestDoor::wait_read(const CallContext& context, ReadDone done) {
  reads_.add({context.reply_on, std::move(done)});
}

void RequestDoor::propose_conf_change(const CallContext& context, raft::ConfChange change,
                                      ProposalDone done) {
  const env::Instant now = clock_.now();
  change.id = ids_.next();
  metrics_.on_proposed();
  waits_.add(change.id, {context.reply_on, now,
                         std::min(context.deadline, now + options_.request_timeout),
                         Command::conf_change, std::move(done)});
  raft_.post_conf_change(std::move(change));
}

}  // namespace holdfast::server
