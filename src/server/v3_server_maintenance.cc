// V3Server's answers about the member and its cluster (etcd v3rpc/maintenance.go, v3rpc/member.go).
#include <utility>

#include "apply/alarm_store.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "mvcc/store.h"
#include "rpc.pb.h"
#include "server/response_header.h"
#include "server/snapshot_pieces.h"
#include "server/v3_server_parts.h"

namespace holdfast::server {

namespace {

namespace pb = etcdserverpb;

// An AlarmMember as Go's protobuf prints it (MNT-04).
std::string alarm_text(const apply::Alarm& alarm) {
  std::string text;
  if (alarm.member) text = fmt::format("memberID:{}", alarm.member.value);
  if (alarm.type != apply::AlarmType::none)
    text += fmt::format("{}alarm:{}", text.empty() ? "" : " ",
                        pb::AlarmType_Name(static_cast<pb::AlarmType>(alarm.type)));
  return text;
}

}  // namespace

void V3Server::alarm(const CallContext& context, const pb::AlarmRequest& request,
                     std::string_view bytes, ProposalDone done) {
  absl::Status status = request.action() == pb::AlarmRequest::GET
                            ? parts_.access.require_user(context.auth)
                            : parts_.access.require_admin(context.auth);
  if (!status.ok()) return fail(done, std::move(status));
  parts_.proposer.propose(context, Command::alarm, bytes, std::move(done));
}

absl::StatusOr<std::unique_ptr<pb::StatusResponse>> V3Server::status(
    const CallContext& context) const {
  if (absl::Status status = parts_.access.require_user(context.auth); !status.ok()) return status;
  const MemberInfo& member = parts_.member;
  auto response = std::make_unique<pb::StatusResponse>();
  fill_header(*response->mutable_header(), member);
  response->set_version(std::string(kEtcdVersion));
  response->set_dbsize(member.db_size());
  response->set_leader(member.leader().value);
  response->set_raftindex(member.committed().value);
  response->set_raftterm(member.term().value);
  response->set_raftappliedindex(member.applied().value);
  response->set_dbsizeinuse(member.db_size_in_use());
  response->set_islearner(member.is_learner());
  response->set_storageversion(member.storage_version());
  response->set_dbsizequota(quota_.limit_bytes());
  const membership::DowngradeInfo downgrade = member.cluster()->downgrade();
  response->mutable_downgradeinfo()->set_enabled(downgrade.enabled);
  response->mutable_downgradeinfo()->set_targetversion(downgrade.target_version);
  if (response->leader() == 0) response->add_errors(std::string(text(EtcdError::no_leader)));
  for (const apply::Alarm& alarm : member.alarms()) response->add_errors(alarm_text(alarm));
  return response;
}

void V3Server::hash(const CallContext& context, MessageDone<pb::HashResponse> done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  parts_.operations.hash(
      *context.reply_on,
      [this, done = std::move(done)](absl::StatusOr<MemberOperations::BackendHash> hash) mutable {
        if (!hash.ok()) return done(hash.status());
        auto response = std::make_unique<pb::HashResponse>();
        response->mutable_header()->set_revision(hash->revision.value);
        fill_header(*response->mutable_header(), parts_.member);
        response->set_hash(hash->hash);
        done(std::move(response));
      });
}

void V3Server::hash_kv(const CallContext& context, Revision revision,
                       MessageDone<pb::HashKVResponse> done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  parts_.operations.hash_kv(
      *context.reply_on, revision,
      [this, done = std::move(done)](absl::StatusOr<mvcc::HashResult> hash) mutable {
        if (!hash.ok()) return done(hash.status());
        auto response = std::make_unique<pb::HashKVResponse>();
        response->mutable_header()->set_revision(hash->current_revision.value);
        fill_header(*response->mutable_header(), parts_.member);
        response->set_hash(hash->hash);
        response->set_compact_revision(hash->compact_revision.value);
        response->set_hash_revision(hash->hash_revision.value);
        done(std::move(response));
      });
}

void V3Server::defragment(const CallContext& context, MemberOperations::Done done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  parts_.log.info("starting defragment");
  parts_.operations.defragment(
      *context.reply_on, [this, done = std::move(done)](absl::Status status) mutable {
        if (status.ok())
          parts_.log.info("finished defragment");
        else
          parts_.log.warn("failed to defragment", {{"error", message(status)}});
        done(std::move(status));
      });
}

void V3Server::snapshot(
    const CallContext& context,
    UniqueFunction<void(absl::StatusOr<std::unique_ptr<SnapshotPieces>>)> done) {
  if (absl::Status status = parts_.access.require_admin(context.auth); !status.ok())
    return done(std::move(status));
  parts_.operations.open_snapshot(
      *context.reply_on,
      [this, done = std::move(done)](
          absl::StatusOr<std::unique_ptr<SnapshotPieces>> pieces) mutable {
        if (pieces.ok())
          parts_.log.info("sending database snapshot to client",
                          {{"total-bytes", (*pieces)->bytes()},
                           {"storage-version", (*pieces)->storage_version()}});
        done(std::move(pieces));
      });
}

void V3Server::member_list(const CallContext& context, Consistency consistency,
                           MessageDone<pb::MemberListResponse> done) {
  const auto answer = [this](const AuthInfo& who, MessageDone<pb::MemberListResponse>& done) {
    if (absl::Status status = parts_.access.require_user(who); !status.ok())
      return done(std::move(status));
    auto response = std::make_unique<pb::MemberListResponse>();
    fill_identity(*response->mutable_header(), parts_.member);  // GEN-06: no revision
    const auto cluster = parts_.member.cluster();
    for (const auto& [id, member] : cluster->members()) fill_member(*response->add_members(), member);
    done(std::move(response));
  };
  if (consistency == Consistency::local) return answer(context.auth, done);
  parts_.reader.wait_read(
      context, [answer, who = context.auth, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return done(std::move(status));
        answer(who, done);
      });
}

}  // namespace holdfast::server
