#include "server/corruption_monitor.h"

#include <utility>

#include "base/errors.h"
#include "base/go_text.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "server/member_survey.h"
#include "server/raise_alarm.h"
#include "server/request_text.h"

namespace holdfast::server {

CorruptionMonitor::CorruptionMonitor(Parts parts, CorruptionChecks checks, env::Duration request_timeout)
    : parts_(std::move(parts)), checks_(checks), request_timeout_(request_timeout) {}

CorruptionMonitor::~CorruptionMonitor() {
  parts_.executor.cancel(data_timer_);
  parts_.executor.cancel(compaction_timer_);
}

void CorruptionMonitor::start() {
  parts_.executor.post([this] {
    if (checks_.interval > env::Duration::zero()) {
      parts_.log.info("enabled corruption checking", {{"local-member-id", parts_.member.member_id()},
                                                      {"interval", go_duration(checks_.interval)}});
      data_timer_ = parts_.executor.post_after(checks_.interval, [this] { check_data(); });
    }
    if (checks_.compactions)
      compaction_timer_ =
          parts_.executor.post_after(checks_.compaction_interval, [this] { check_compactions(); });
  });
}

void CorruptionMonitor::stop() {
  parts_.executor.post([this] {
    stopped_ = true;
    parts_.executor.cancel(std::exchange(data_timer_, 0));
    parts_.executor.cancel(std::exchange(compaction_timer_, 0));
  });
}

void CorruptionMonitor::ask_others(Revision revision, WithHashes then) {
  const auto cluster = parts_.member.cluster();
  std::vector<membership::Member> others;
  for (const auto& [id, member] : cluster->members())
    if (id != parts_.member.member_id() && !member.peer_urls.empty()) others.push_back(member);
  using Survey = MemberSurvey<mvcc::HashResult>;
  Survey survey{parts_.executor, request_timeout_, nullptr, nullptr};
  survey.question = [this, revision](const RemoteCluster::Request& request,
                                     RemoteCluster::Done<mvcc::HashResult> answer) {
    if (parts_.remote == nullptr) return answer(absl::UnavailableError("nobody to ask"));
    parts_.remote->get_hash(request, parts_.member.cluster_id(), revision, std::move(answer));
  };
  survey.failed = [this, revision](MemberId, const std::string& url, const absl::Status& status) {
    parts_.log.warn("failed hash kv request", {{"local-member-id", parts_.member.member_id()},
                                               {"requested-revision", revision},
                                               {"remote-peer-endpoint", url},
                                               {"error", message(status)}});
  };
  std::move(survey).ask(std::move(others), [then = std::move(then)](Survey::Answers answers) mutable {
    PeerHashes hashes;
    for (auto& [id, answer] : answers) hashes.push_back({id, std::move(answer)});
    then(std::move(hashes));
  });
}

// --- before serving ---

void CorruptionMonitor::check_initially(UniqueFunction<void(absl::Status)> done) {
  const MemberId self = parts_.member.member_id();
  parts_.log.info("starting initial corruption check",
                  {{"local-member-id", self}, {"timeout", go_duration(request_timeout_)}});
  parts_.operations.hash_kv(
      parts_.executor, Revision(0),
      [this, self, done = std::move(done)](absl::StatusOr<mvcc::HashResult> own) mutable {
        if (!own.ok())
          return done(make_status(own.status().code(), fmt::format("{} failed to fetch hash ({})", hex_id(self.value),
                                                                   message(own.status()))));
        ask_others(own->hash_revision, [this, self, own = *own,
                                        done = std::move(done)](const PeerHashes& others) mutable {
          const std::vector<MemberId> differ = members_that_differ(own, others);
          for (MemberId other : differ)
            parts_.log.warn("found different hash values from remote peer",
                            {{"local-member-id", self},
                             {"local-member-revision", own.hash_revision},
                             {"local-member-compact-revision", own.compact_revision},
                             {"local-member-hash", static_cast<uint64_t>(own.hash)},
                             {"remote-peer-id", other}});
          if (!differ.empty())
            return done(make_status(absl::StatusCode::kDataLoss,
                                    fmt::format("{} found data inconsistency with peers", hex_id(self.value))));
          parts_.log.info("initial corruption checking passed; no corruption", {{"local-member-id", self}});
          done(absl::OkStatus());
        });
      });
}

// --- the data as they are ---

void CorruptionMonitor::own_hash(WithHash then) {
  parts_.operations.hash_kv(parts_.executor, Revision(0),
                            [this, then = std::move(then)](absl::StatusOr<mvcc::HashResult> hash) mutable {
                              if (stopped_) return;
                              if (hash.ok()) return then(*hash);
                              checking_data_ = false;
                              parts_.log.warn("failed to check hash KV", {{"error", message(hash.status())}});
                            });
}

void CorruptionMonitor::check_data() {
  if (stopped_) return;
  data_timer_ = parts_.executor.post_after(checks_.interval, [this] { check_data(); });
  if (checking_data_ || !leads()) return;
  checking_data_ = true;
  own_hash([this](const mvcc::HashResult& before) {
    ask_others(before.hash_revision, [this, before](PeerHashes others) {
      if (stopped_) return;
      // Whatever another member has applied, this one has applied after such a read.
      parts_.reader.wait_read(
          {.reply_on = &parts_.executor, .deadline = parts_.executor.now() + request_timeout_},
          [this, before, others = std::move(others)](const absl::Status& read) mutable {
            if (stopped_) return;
            if (read.ok()) return compare_data(before, others);
            checking_data_ = false;
            parts_.log.warn("failed to check hash KV", {{"error", message(read)}});
          });
    });
  });
}

void CorruptionMonitor::compare_data(const mvcc::HashResult& before, const PeerHashes& others) {
  own_hash([this, before, others](const mvcc::HashResult& after) {
    checking_data_ = false;
    size_t checked = 0;
    for (const PeerHash& other : others) checked += other.hash.ok() ? 1 : 0;
    const std::vector<MemberId> off = members_off_the_log(parts_.member.member_id(), before, after, others);
    for (MemberId member : off)
      parts_.log.warn("found hash mismatch", {{"member-id", member},
                                              {"leader-revision", after.current_revision},
                                              {"leader-compact-revision", after.compact_revision},
                                              {"leader-hash", static_cast<uint64_t>(before.hash)}});
    // One alarm is enough to stop writes; the next check finds the next one.
    if (!off.empty()) report(off.front());
    parts_.log.info("finished peer corruption check", {{"number-of-peers-checked", checked}});
  });
}

// --- by compactions ---

void CorruptionMonitor::check_compactions() {
  if (stopped_) return;
  compaction_timer_ =
      parts_.executor.post_after(checks_.compaction_interval, [this] { check_compactions(); });
  if (checking_compactions_ || !leads()) return;
  parts_.log.info("starting compact hash check", {{"local-member-id", parts_.member.member_id()},
                                                  {"timeout", go_duration(request_timeout_)}});
  std::vector<mvcc::CompactionHash> newest_first;
  const std::vector<mvcc::CompactionHash> hashes = parts_.member.store()->compaction_hashes();
  for (auto hash = hashes.rbegin(); hash != hashes.rend() && hash->revision > newest_equal_; ++hash)
    newest_first.push_back(*hash);
  checking_compactions_ = true;
  check_compaction(std::move(newest_first), 0);
}

void CorruptionMonitor::check_compaction(std::vector<mvcc::CompactionHash> newest_first, size_t next) {
  const auto finish = [this](size_t checked) {
    checking_compactions_ = false;
    parts_.log.info("finished compaction hash check", {{"number-of-hashes-checked", checked}});
  };
  if (next >= newest_first.size()) return finish(newest_first.size());
  const Revision revision = newest_first[next].revision;
  ask_others(revision, [this, finish, next,
                        newest_first = std::move(newest_first)](const PeerHashes& others) mutable {
    if (stopped_) return;
    if (!others.empty() && judge_compaction(newest_first[next], others)) return finish(next + 1);
    check_compaction(std::move(newest_first), next + 1);
  });
}

bool CorruptionMonitor::judge_compaction(const mvcc::CompactionHash& own, const PeerHashes& others) {
  const CompactionVerdict verdict = judge(parts_.member.member_id(), own, others);
  const std::initializer_list<LogField> about = {{"number-of-peers-checked", verdict.compared},
                                                 {"number-of-peers", others.size()},
                                                 {"revision", own.revision},
                                                 {"compactRevision", own.compact_revision}};
  switch (verdict.kind) {
    case CompactionVerdict::Kind::incomplete:
      parts_.log.warn("skipped revision in compaction hash check; was not able to check all peers", about);
      return false;
    case CompactionVerdict::Kind::equal:
      parts_.log.info("successfully checked hash on whole cluster", about);
      newest_equal_ = std::max(newest_equal_, own.revision);
      return true;
    case CompactionVerdict::Kind::different:
      break;
  }
  for (MemberId member : verdict.corrupt) {
    parts_.log.error("Detected compaction hash mismatch", {{"member-id", member},
                                                           {"leader-id", parts_.member.member_id()},
                                                           {"leader-revision", own.revision},
                                                           {"leader-compact-revision", own.compact_revision},
                                                           {"leader-hash", static_cast<uint64_t>(own.hash)}});
    report(member);
  }
  return true;
}

void CorruptionMonitor::report(MemberId member) {
  raise_alarm(parts_.proposer, parts_.executor, member, etcdserverpb::CORRUPT,
              [this, member](const absl::Status& status) {
                if (stopped_ || status.ok()) return;
                parts_.log.warn("failed to raise the alarm CORRUPT",
                                {{"member-id", member}, {"error", message(status)}});
              });
}

}  // namespace holdfast::server
