#include "server/v3_server.h"

#include "apply/alarm_store.h"
#include "apply/checks.h"
#include "apply/go_protobuf.h"
#include "base/errors.h"
#include "base/wire.h"
#include "mvcc/store.h"
#include "rpc.pb.h"
#include "server/v3_server_parts.h"

namespace holdfast::server {

namespace {

namespace pb = etcdserverpb;

absl::Status check(const PutView& request) {
  if (request.key.empty()) return error(EtcdError::empty_key);
  if (request.ignore_value && !request.value.empty()) return error(EtcdError::value_provided);
  if (request.ignore_lease && request.lease != 0) return error(EtcdError::lease_provided);
  return absl::OkStatus();
}

}  // namespace

V3Server::V3Server(Parts parts, Options options)
    : parts_(parts),
      options_(options),
      quota_(options.quota_backend_bytes),
      metrics_(std::make_unique<Metrics>(parts.metrics)),
      long_reads_(parts.readers) {
  metrics_->quota_bytes.set(static_cast<double>(quota_.limit_bytes()));
}

V3Server::~V3Server() = default;

absl::Status V3Server::check_auth_revision(const AuthInfo& who) const {
  if (who.revision != 0 && who.revision != parts_.access.revision())
    return error(EtcdError::auth_old_revision);
  return absl::OkStatus();
}

// --- room ---

void V3Server::refuse_for_room(const CallContext& context, ProposalDone done) {
  const MemberId self = parts_.member.member_id();
  for (const apply::Alarm& alarm : parts_.member.alarms())
    if (alarm.member == self && alarm.type == apply::AlarmType::nospace)
      return fail(done, error(EtcdError::no_space));
  pb::AlarmRequest raise;
  raise.set_memberid(self.value);
  raise.set_action(pb::AlarmRequest::ACTIVATE);
  raise.set_alarm(pb::NOSPACE);
  parts_.proposer.propose(context, Command::alarm, raise.SerializeAsString(),
                          [done = std::move(done)](std::unique_ptr<apply::Result>) mutable {
                            // Also if the alarm couldn't be raised: there is no room.
                            fail(done, error(EtcdError::no_space));
                          });
}

// --- writes ---

void V3Server::put(const CallContext& context, const PutView& request, ProposalDone done) {
  if (!has_room(apply::put_cost(request.key, request.value)))
    return refuse_for_room(context, std::move(done));
  if (absl::Status status = check(request); !status.ok()) return fail(done, std::move(status));
  const google::protobuf::Descriptor& type = *pb::PutRequest::descriptor();
  if (is_plain(request) || apply::is_plain(request.bytes, type))
    return parts_.proposer.propose(context, Command::put, request.bytes, std::move(done));
  // What some member couldn't read is left out (RequestDoor does the same for all others).
  parts_.proposer.propose(context, Command::put, apply::without_unknown_fields(request.bytes, type), std::move(done));
}

void V3Server::delete_range(const CallContext& context, const pb::DeleteRangeRequest& request,
                            std::string_view bytes, ProposalDone done) {
  if (absl::Status status = apply::check_delete_request(request); !status.ok())
    return fail(done, std::move(status));
  parts_.proposer.propose(context, Command::delete_range, bytes, std::move(done));
}

void V3Server::compact(const CallContext& context, const pb::CompactionRequest& request,
                       std::string_view bytes, ProposalDone done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return fail(done, std::move(status));
  const auto answer = [this](ProposalDone& done, std::unique_ptr<apply::Result> result) {
    if (result->status.ok())  // KV-31
      result->as<pb::CompactionResponse>().mutable_header()->set_revision(
          parts_.member.store()->current_revision().value);
    done(std::move(result));
  };
  if (!request.physical()) {
    parts_.proposer.propose(
        context, Command::compaction, bytes,
        [answer, done = std::move(done)](std::unique_ptr<apply::Result> result) mutable {
          answer(done, std::move(result));
        });
    return;
  }
  env::Executor& executor = *context.reply_on;
  auto wait_and_answer = [this, &executor, answer,
                          done = std::move(done)](std::unique_ptr<apply::Result> result) mutable {
    if (!result->compaction) return answer(done, std::move(result));
    apply::CompactionBarrier& barrier = *result->compaction;
    // The deletion, then its durability, or a crash could bring back what this answer says is gone.
    barrier.on_done(executor, [this, &executor, answer, done = std::move(done),
                               result = std::move(result)]() mutable {
      parts_.operations.commit_backend(
          executor, [answer, done = std::move(done), result = std::move(result)](
                        absl::Status) mutable { answer(done, std::move(result)); });
    });
  };
  parts_.proposer.propose(context, Command::compaction, bytes, std::move(wait_and_answer));
}

void V3Server::lease_grant(const CallContext& context, const pb::LeaseGrantRequest& request,
                           std::string_view bytes, ProposalDone done) {
  if (!has_room(apply::kLeaseCostBytes)) return refuse_for_room(context, std::move(done));
  if (absl::Status status = parts_.access.require_user(context.auth); !status.ok())
    return fail(done, std::move(status));
  if (request.id() != 0) {
    parts_.proposer.propose(context, Command::lease_grant, bytes, std::move(done));
    return;
  }
  // LEA-01. The field's last value counts, so the rest of the bytes stays as it is.
  uint64_t id = 0;
  while (id == 0) id = parts_.ids.next() & ~(uint64_t{1} << 63);
  std::string with_id(bytes);
  wire::Writer(with_id).put_uint64(2, id);
  parts_.proposer.propose(context, Command::lease_grant, with_id, std::move(done));
}

void V3Server::lease_revoke(const CallContext& context, const pb::LeaseRevokeRequest& request,
                            std::string_view bytes, ProposalDone done) {
  if (absl::Status status = parts_.access.require_user(context.auth); !status.ok())
    return fail(done, std::move(status));
  parts_.proposer.propose(context, Command::lease_revoke, bytes, std::move(done));
}

}  // namespace holdfast::server
