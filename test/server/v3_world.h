// V3Server over a real store, with a member whose facts the test sets and a proposer that applies
// at once.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/alarm_store.h"
#include "backend/memory_engine.h"
#include "base/errors.h"
#include "membership/cluster.h"
#include "mvcc/store.h"
#include "mvcc/watch_feed.h"
#include "rpc.pb.h"
#include "server/snapshot_pieces.h"
#include "server/v3_server.h"
#include "test/backend/test_world.h"

namespace holdfast::server {

// Counters and gauges by "name{label=value,...}"; histograms count their observations. Thread-safe.
class MapMetrics : public env::Metrics {
 public:
  env::Counter& counter(const std::string& name, const std::string&,
                        const env::Labels& labels) override {
    return series(name, labels);
  }
  env::Gauge& gauge(const std::string& name, const std::string&,
                    const env::Labels& labels) override {
    return series(name, labels);
  }
  env::Histogram& histogram(const std::string& name, const std::string&, const std::vector<double>&,
                            const env::Labels& labels) override {
    return series(name, labels);
  }
  // Nothing if there is no such series.
  std::optional<double> value(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto it = series_.find(key);
    if (it == series_.end()) return std::nullopt;
    return it->second->value;
  }
  size_t count_of(const std::string& prefix) const {
    const std::lock_guard lock(mutex_);
    size_t n = 0;
    for (const auto& [key, series] : series_) n += key.starts_with(prefix);
    return n;
  }

 private:
  struct Series : env::Counter, env::Gauge, env::Histogram {
    explicit Series(std::mutex& m) : mutex(m) {}
    void add(double n) override {
      const std::lock_guard lock(mutex);
      value += n;
    }
    void set(double v) override {
      const std::lock_guard lock(mutex);
      value = v;
    }
    void observe(double) override { add(1); }
    std::mutex& mutex;
    double value = 0;
  };
  Series& series(const std::string& name, const env::Labels& labels) {
    std::string key = name + "{";
    for (const auto& [label, value] : labels) key += label + "=" + value + ",";
    key += "}";
    const std::lock_guard lock(mutex_);
    auto& slot = series_[key];
    if (!slot) slot = std::make_unique<Series>(mutex_);
    return *slot;
  }
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Series>> series_;
};

class RecordingLogger : public Logger {
 public:
  void write(LogLevel level, std::string_view message, const std::vector<LogField>& fields,
             const char*, int) override {
    std::string line = std::string(message);
    for (const LogField& field : fields) line += " " + field.name + "=" + field.json;
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  bool enabled(LogLevel level) const override { return level >= LogLevel::info; }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class FakeMember : public MemberInfo, public MemberOperations {
 public:
  FakeMember() {
    membership::RecordChanges records;
    cluster_now->add({.id = MemberId(0xabc),
                      .peer_urls = {"http://p1"},
                      .name = "one",
                      .client_urls = {"http://c1"}},
                     records);
    cluster_now->add({.id = MemberId(0xfff), .peer_urls = {"http://p2"}, .is_learner = true},
                     records);
    cluster_now->set_version({3, 7, 0, {}}, records);
  }
  MemberId member_id() const override { return MemberId(0xabc); }
  ClusterId cluster_id() const override { return ClusterId(0xdef); }
  Term term() const override { return Term(7); }
  MemberId leader() const override { return MemberId(leader_id.load()); }
  Index committed() const override { return Index(12); }
  Index applied() const override { return Index(11); }
  bool is_learner() const override { return learner.load(); }
  std::shared_ptr<mvcc::Store> store() const override { return store_now; }
  std::vector<apply::Alarm> alarms() const override {
    const std::lock_guard lock(mutex);
    return alarms_now;
  }
  std::shared_ptr<const membership::Cluster> cluster() const override { return cluster_now; }
  int64_t db_size() const override { return size.load(); }
  int64_t db_size_in_use() const override { return 4096; }
  std::string storage_version() const override { return storage; }
  std::string raft_status_json() const override { return R"({"id":"abc"})"; }

  void defragment(env::Executor& reply_on, Done done) override {
    ++defragmentations;
    reply_on.post([this, done = std::move(done)]() mutable { done(defragment_result); });
  }
  void commit_backend(env::Executor& reply_on, Done done) override {
    ++commits;
    reply_on.post([done = std::move(done)]() mutable { done(absl::OkStatus()); });
  }
  void open_snapshot(
      env::Executor& reply_on,
      UniqueFunction<void(absl::StatusOr<std::unique_ptr<SnapshotPieces>>)> done) override {
    struct Body : SnapshotBody {
      explicit Body(std::string all) : bytes(std::move(all)) {}
      absl::StatusOr<size_t> read(std::span<char> buffer) override {
        const size_t n = bytes.copy(buffer.data(), buffer.size(), at);
        at += n;
        return n;
      }
      const std::string bytes;
      size_t at = 0;
    };
    reply_on.post([this, &reply_on, done = std::move(done)]() mutable {
      done(std::make_unique<SnapshotPieces>(snapshot_bytes.size(),
                                            std::make_unique<Body>(snapshot_bytes), storage,
                                            reply_on));
    });
  }
  void hash(env::Executor& reply_on,
            UniqueFunction<void(absl::StatusOr<BackendHash>)> done) override {
    reply_on.post([done = std::move(done)]() mutable { done(BackendHash{42, Revision(5)}); });
  }
  void hash_kv(env::Executor& reply_on, Revision revision,
               UniqueFunction<void(absl::StatusOr<mvcc::HashResult>)> done) override {
    auto hash = store_now->hash_kv(revision);
    reply_on.post(
        [hash = std::move(hash), done = std::move(done)]() mutable { done(std::move(hash)); });
  }

  std::atomic<uint64_t> leader_id{0xabc};
  std::atomic<bool> learner{false};
  std::atomic<int64_t> size{8192};
  std::string storage = "3.7.0";
  std::string snapshot_bytes = std::string(100'000, 's');
  std::shared_ptr<membership::Cluster> cluster_now = std::make_shared<membership::Cluster>();
  std::shared_ptr<mvcc::Store> store_now;
  std::shared_ptr<mvcc::WatchFeed> feed;
  // What a write transaction that ended must be followed by.
  void publish(const mvcc::WriteTxn& txn) {
    if (!txn.changes().empty()) feed->publish(txn.result_revision(), txn.changes());
    feed->flush();
  }
  mutable std::mutex mutex;
  std::vector<apply::Alarm> alarms_now;
  absl::Status defragment_result;
  std::atomic<int> defragmentations{0};
  std::atomic<int> commits{0};
};

// A barrier that the test opens.
class FakeBarrier : public apply::CompactionBarrier {
 public:
  void on_done(env::Executor& executor, Task done) override {
    executor_ = &executor;
    done_ = std::move(done);
  }
  bool awaited() const { return static_cast<bool>(done_); }
  void open() { executor_->post(std::move(done_)); }

 private:
  env::Executor* executor_ = nullptr;
  Task done_;
};

// Applies puts, deletes and alarms at once and answers by a task; remembers what it was given. What
// `next` holds is answered instead, if it is set.
class FakeProposer : public Proposer {
 public:
  struct Proposal {
    Command command;
    std::string request;
    bool only_as_leader = false;
  };
  explicit FakeProposer(FakeMember& member) : member_(member) {}

  void propose(const CallContext& context, Command command, std::string_view request,
               ProposalDone done) override {
    std::unique_ptr<apply::Result> result;
    {
      const std::lock_guard lock(mutex);
      proposals.push_back({command, std::string(request), context.only_as_leader});
      result = next ? std::move(next) : apply_now(command, std::string(request));
    }
    context.reply_on->post([result = std::move(result), done = std::move(done)]() mutable {
      done(std::move(result));
    });
  }
  std::vector<Proposal> seen() const {
    const std::lock_guard lock(mutex);
    return proposals;
  }

  mutable std::mutex mutex;
  std::vector<Proposal> proposals;
  std::unique_ptr<apply::Result> next;

 private:
  template <class T>
  static std::unique_ptr<apply::Result> result_of(T response) {
    auto result = std::make_unique<apply::Result>();
    result->response = std::make_unique<T>(std::move(response));
    return result;
  }
  static std::unique_ptr<apply::Result> error_of(absl::Status status) {
    auto result = std::make_unique<apply::Result>();
    result->status = std::move(status);
    return result;
  }

  std::unique_ptr<apply::Result> apply_now(Command command, const std::string& bytes) {
    namespace pb = etcdserverpb;
    switch (command) {
      case Command::put:
        return apply_put(bytes);
      case Command::delete_range: {
        pb::DeleteRangeRequest request;
        if (!request.ParseFromString(bytes)) return error_of(absl::InternalError("bytes"));
        mvcc::WriteTxn txn = member_.store_now->write();
        pb::DeleteRangeResponse response;
        response.set_deleted(txn.delete_range(request.key(), request.range_end()));
        response.mutable_header()->set_revision(txn.result_revision().value);
        txn.end();
        member_.publish(txn);
        return result_of(std::move(response));
      }
      case Command::alarm: {
        pb::AlarmRequest request;
        if (!request.ParseFromString(bytes)) return error_of(absl::InternalError("bytes"));
        if (request.action() == pb::AlarmRequest::ACTIVATE) {
          const std::lock_guard lock(member_.mutex);
          member_.alarms_now.push_back(
              {MemberId(request.memberid()), static_cast<apply::AlarmType>(request.alarm())});
        }
        return result_of(pb::AlarmResponse());
      }
      case Command::compaction:
        return result_of(pb::CompactionResponse());
      case Command::lease_grant: {
        pb::LeaseGrantRequest request;
        if (!request.ParseFromString(bytes)) return error_of(absl::InternalError("bytes"));
        pb::LeaseGrantResponse response;
        response.set_id(request.id());
        response.set_ttl(request.ttl());
        return result_of(std::move(response));
      }
      case Command::lease_revoke:
        return error_of(error(EtcdError::lease_not_found));
      case Command::txn:
        return result_of(pb::TxnResponse());
      default:
        return error_of(absl::InternalError("command"));
    }
  }
  std::unique_ptr<apply::Result> apply_put(const std::string& bytes) {
    etcdserverpb::PutRequest request;
    if (!request.ParseFromString(bytes)) return error_of(absl::InternalError("bytes"));
    etcdserverpb::PutResponse response;
    mvcc::WriteTxn txn = member_.store_now->write();
    if (request.prev_kv()) {
      if (auto pair = txn.get(request.key())) {
        response.mutable_prev_kv()->set_key(pair->key);
        response.mutable_prev_kv()->set_value(pair->value);
        response.mutable_prev_kv()->set_version(pair->version);
      }
    }
    const Revision revision = txn.put(request.key(), request.value(), LeaseId(request.lease()));
    response.mutable_header()->set_revision(revision.value);
    txn.end();
    member_.publish(txn);
    auto result = result_of(response);
    result->revision = revision;
    return result;
  }

  FakeMember& member_;
};

class FakeReader : public LinearizableReader {
 public:
  void wait_read(const CallContext& context, ReadDone done) override {
    ++reads;
    absl::Status status;
    {
      const std::lock_guard lock(mutex);
      status = answer;
    }
    context.reply_on->post([status, done = std::move(done)]() mutable { done(status); });
  }
  void set(absl::Status status) {
    const std::lock_guard lock(mutex);
    answer = std::move(status);
  }
  std::atomic<int> reads{0};
  std::mutex mutex;
  absl::Status answer;
};

struct V3World {
  explicit V3World(V3Server::Options options = {})
      : backend(backend::make_memory_engine(std::make_shared<backend::MemoryImage>()), {},
                world.backend_environment()) {
    auto opened =
        mvcc::Store::open(backend, leases, {}, {world.background, world.metrics, world.log});
    member.store_now = *std::move(opened);
    member.feed = std::make_shared<mvcc::WatchFeed>(member.store_now, metrics);
    v3.emplace(
        V3Server::Parts{proposer, reader, member, member, access, ids, world.clock, metrics, log},
        options);
  }

  CallContext context() {
    CallContext context;
    context.reply_on = &world.owner;
    return context;
  }
  Revision put(std::string_view key, std::string_view value) {
    mvcc::WriteTxn txn = member.store_now->write();
    const Revision revision = txn.put(key, value, LeaseId(0));
    txn.end();
    member.publish(txn);
    return revision;
  }

  backend::TestWorld world;
  backend::Backend backend;
  mvcc::NoLeases leases;
  MapMetrics metrics;
  RecordingLogger log;
  OpenAccess access;
  RequestIdGenerator ids{MemberId(0xabc), 1'000'000'000};
  FakeMember member;
  FakeProposer proposer{member};
  FakeReader reader;
  std::optional<V3Server> v3;
};

inline etcdserverpb::RangeRequest all_keys() {
  etcdserverpb::RangeRequest request;
  request.set_key(std::string(1, '\0'));
  request.set_range_end(std::string(1, '\0'));
  return request;
}

inline absl::StatusOr<etcdserverpb::RangeResponse> ask_range(V3World& w, const etcdserverpb::RangeRequest& request,
                                                             Cancelled cancelled = {}) {
  std::optional<absl::StatusOr<std::string>> answer;
  const std::string bytes = request.SerializeAsString();
  w.v3->range(w.context(), *parse_range(bytes), std::move(cancelled),
              [&](absl::StatusOr<std::string> a) { answer = std::move(a); });
  w.world.run_ready();
  if (!answer) return absl::InternalError("no answer");
  if (!answer->ok()) return answer->status();
  etcdserverpb::RangeResponse response;
  if (!response.ParseFromString(**answer)) return absl::InternalError("malformed");
  return response;
}

}  // namespace holdfast::server
