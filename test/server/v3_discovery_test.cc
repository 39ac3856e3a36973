#include "server/v3_discovery.h"

#include <functional>
#include <map>
#include <optional>

#include "base/errors.h"
#include "gtest/gtest.h"
#include "test/manual_executor.h"

namespace holdfast::server {
namespace {

using std::chrono::seconds;

// A store of keys with revisions; fails as often as it is told to.
class FakeStore : public DiscoveryStore {
 public:
  void open(env::Executor& e, Finished done) override {
    executor = &e;
    answer([this, done = std::move(done)]() mutable { done(opened); });
  }
  void get(const std::string& key, Done<Answer> done) override { look(key, key + '\0', std::move(done)); }
  void get_prefix(const std::string& prefix, Done<Answer> done) override {
    look(prefix, prefix + '\x7f', std::move(done));
  }
  void put(const std::string& key, const std::string& value, Finished done) override {
    if (fails()) return answer([done = std::move(done)]() mutable { done(absl::UnavailableError("down")); });
    if (before_put) before_put();
    write(key, value);
    answer([done = std::move(done)]() mutable { done(absl::OkStatus()); });
  }
  void watch(const std::string& prefix, int64_t revision, UniqueFunction<void(std::vector<Pair>)> on_pairs,
             Finished ended) override {
    watched_from = revision;
    on_pairs_ = std::move(on_pairs);
    ended_ = std::move(ended);
  }
  void stop_watching() override { watched_from.reset(); }

  void write(const std::string& key, const std::string& value) {
    Pair& pair = pairs[key];
    pair = {key, value, pair.create_revision == 0 ? ++revision : pair.create_revision};
    if (watched_from) on_pairs_({pair});
  }
  void end_watch() {
    watched_from.reset();
    ended_(absl::UnavailableError("compacted"));
  }

  std::map<std::string, Pair> pairs;
  int64_t revision = 1;
  int failures = 0;
  std::function<void()> before_put;
  absl::Status opened;
  std::optional<int64_t> watched_from;
  env::Executor* executor = nullptr;

 private:
  bool fails() { return failures > 0 && failures-- > 0; }
  void answer(Task task) { executor->post(std::move(task)); }
  void look(const std::string& from, const std::string& to, Done<Answer> done) {
    absl::StatusOr<Answer> result = absl::UnavailableError("down");
    if (!fails()) {
      result = Answer{{}, revision};
      for (auto it = pairs.lower_bound(from); it != pairs.end() && it->first < to; ++it)
        result->pairs.push_back(it->second);
    }
    answer([result = std::move(result), done = std::move(done)]() mutable { done(std::move(result)); });
  }
  UniqueFunction<void(std::vector<Pair>)> on_pairs_;
  Finished ended_;
};

struct V3DiscoveryTest : ::testing::Test {
  void join(uint64_t id, const std::string& urls) {
    result.reset();
    discovery.join(MemberId(id), urls, executor, [this](absl::StatusOr<std::string> r) { result = std::move(r); });
    executor.run();
  }
  std::string answer() const {
    if (!result) return "waits";
    return result->ok() ? **result : std::string(message(result->status()));
  }
  void set_size(const std::string& size) { store.write("/_etcd/registry/token/_config/size", size); }
  void write_member(const std::string& id, const std::string& urls) {
    store.write("/_etcd/registry/token/members/" + id, urls);
    executor.run();
  }
  void pass(seconds time) {
    clock.advance(time);
    executor.run();
  }

  ManualClock clock;
  ManualExecutor executor{clock};
  NullLogger log;
  FakeStore store;
  V3Discovery discovery{store, log, "token", {"one:2379"}};
  std::optional<absl::StatusOr<std::string>> result;
};

// OPS-02
TEST_F(V3DiscoveryTest, RegistersAndWaitsForTheOthers) {
  set_size("3");
  write_member("b", "two=http://two:2380");
  join(0xa1, "one=http://one:2380,one=http://one:2381");
  EXPECT_EQ(store.pairs["/_etcd/registry/token/members/a1"].value, "one=http://one:2380,one=http://one:2381");
  EXPECT_EQ(answer(), "waits");
  EXPECT_EQ(store.watched_from, store.revision + 1);
  write_member("b", "two=http://two:2380");   // a duplicate
  write_member("x", "no urls");
  EXPECT_EQ(answer(), "waits");
  write_member("c", " three=http://three:2380\n");
  EXPECT_EQ(answer(), "two=http://two:2380,one=http://one:2380,one=http://one:2381,three=http://three:2380");
  EXPECT_FALSE(store.watched_from);
}

// OPS-02: the first to register are the cluster, whoever has the smaller id.
TEST_F(V3DiscoveryTest, LateComersAreRefused) {
  set_size("2");
  write_member("c", "three=http://three:2380");
  write_member("b", "two=http://two:2380");
  join(0xa, "one=http://one:2380");
  EXPECT_EQ(answer(), "discovery: cluster is full");
  EXPECT_FALSE(store.pairs.contains("/_etcd/registry/token/members/a")) << "it wrote";
  join(0xb, "two=http://two:2380");
  EXPECT_EQ(answer(), "three=http://three:2380,two=http://two:2380") << "one of them comes again";
}

// OPS-02: two register at the same time for one place.
TEST_F(V3DiscoveryTest, TheSecondOfTwoAtOnceIsRefused) {
  set_size("1");
  store.before_put = [this] { store.write("/_etcd/registry/token/members/b", "two=http://two:2380"); };
  join(0xa, "one=http://one:2380");
  EXPECT_EQ(answer(), "discovery: cluster is full");
}

// OPS-02
TEST_F(V3DiscoveryTest, TheSizeMustBeThere) {
  join(1, "one=http://one:2380");
  EXPECT_EQ(answer(), "discovery: size key not found");
  for (const char* bad : {"", "0", "-1", "three", "3 ", "99999999999999999999"}) {
    set_size(bad);
    join(1, "one=http://one:2380");
    EXPECT_EQ(answer(), "discovery: size key is bad") << bad;
  }
  set_size("+1");
  join(1, "one=http://one:2380");
  EXPECT_EQ(answer(), "one=http://one:2380");
}

TEST_F(V3DiscoveryTest, UrlsOfOthersAreChecked) {
  set_size("2");
  write_member("b", "two=ftp://two");
  join(1, "one=http://one:2380");
  EXPECT_EQ(answer(), "discovery: invalid peer URL");
}

// OPS-03
TEST_F(V3DiscoveryTest, TriesAgainAfterDoublingPauses) {
  set_size("1");
  store.failures = 10;
  join(1, "one=http://one:2380");
  EXPECT_EQ(answer(), "waits");
  for (const int pause : {2, 4, 8, 16, 32, 64, 128, 256, 256, 256}) {
    const int left = store.failures;
    pass(seconds(pause - 1));
    EXPECT_EQ(store.failures, left) << "before " << pause << " s";
    EXPECT_EQ(answer(), "waits");
    pass(seconds(1));
  }
  EXPECT_EQ(answer(), "one=http://one:2380");
}

TEST_F(V3DiscoveryTest, AWatchThatEndsBeginsAnew) {
  set_size("2");
  join(1, "one=http://one:2380");
  EXPECT_EQ(answer(), "waits");
  store.end_watch();
  write_member("b", "two=http://two:2380");  // seen by nobody
  EXPECT_EQ(answer(), "waits");
  pass(seconds(2));
  EXPECT_EQ(answer(), "one=http://one:2380,two=http://two:2380");
}

TEST_F(V3DiscoveryTest, WhoMayNotLogInIsTold) {
  store.opened = error(EtcdError::auth_failed);
  join(1, "one=http://one:2380");
  EXPECT_EQ(answer(), text(EtcdError::auth_failed));
}

// As Go joins paths.
TEST_F(V3DiscoveryTest, ATokenMayBeAPath) {
  V3Discovery other(store, log, "/a//b/./c/../", {});
  store.write("/_etcd/registry/a/b/_config/size", "1");
  other.join(MemberId(0x1), "one=http://one:2380", executor,
             [this](absl::StatusOr<std::string> r) { result = std::move(r); });
  executor.run();
  EXPECT_EQ(answer(), "one=http://one:2380");
  EXPECT_TRUE(store.pairs.contains("/_etcd/registry/a/b/members/1"));
}

}  // namespace
}  // namespace holdfast::server
