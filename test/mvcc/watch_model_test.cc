// Anything that can happen to watchers, at random: every response is checked against what happened (watch_world.h).
#include <gtest/gtest.h>

#include "base/random.h"
#include "test/mvcc/watch_world.h"

namespace holdfast::mvcc {
namespace {

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) step();
    // Everybody listens again: nothing may be missing.
    for (int i = 0; i < 3000; ++i) {
      world_.settle();
      for (auto& client : clients_) client->drain();
    }
    for (auto& client : clients_) {
      client->expect_complete();
      for (auto& [id, w] : client->watches) {
        events_ += w.events;
        compacted_ += w.compacted != 0;
      }
    }
  }
  size_t events() const { return events_; }
  size_t compacted() const { return compacted_; }

 private:
  std::string key() { return std::string(1, static_cast<char>('a' + random_.below(6))); }

  void step() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return write();
      case 4:
        return world_.feed->flush();
      case 5:
      case 6:
        for (uint64_t n = random_.below(6); n-- > 0;) world_.io.run_one();
        return;
      case 7:
        return watch();
      case 8:
        return cancel();
      case 9:
        if (auto* c = client()) c->drain();
        return;
      case 10:
        if (auto* c = client()) world_.hub->request_progress(*c->stream);
        world_.pass_io(std::chrono::seconds(random_.below(4)));
        return;
      default:
        return rarely();
    }
  }
  // No key twice in a transaction, as etcd demands.
  void write() {
    world_.apply([&](WriteTxn& txn) {
      if (random_.chance(1, 8)) {
        txn.delete_range(key(), kNoEndText);
        return;
      }
      for (char k = 'a'; k < 'g'; ++k) {
        const std::string one(1, k);
        if (random_.chance(1, 4)) txn.put(one, std::string(random_.below(300), 'v'), LeaseId(0));
        else if (random_.chance(1, 12)) txn.delete_range(one, {});
      }
    });
  }
  WatchClient* client() { return clients_.empty() ? nullptr : clients_[random_.below(clients_.size())].get(); }
  void watch() {
    if (clients_.size() < 4) {
      const size_t weights[] = {0, kWatchOutboxBytesMax / 5, kWatchOutboxBytesMax};
      clients_.push_back(std::make_unique<WatchClient>(world_, weights[random_.below(3)]));
    }
    const int64_t now = world_.store->current_revision().value;
    WatchOptions options;
    const uint64_t from = random_.below(3);
    if (from == 1) options.start = Revision(random_.between(std::max<int64_t>(1, now - 60), now));
    if (from == 2) options.start = Revision(now + random_.between(0, 5));
    options.prev_kv = random_.chance(1, 3);
    options.fragment = random_.chance(1, 3);
    options.progress_notify = random_.chance(1, 3);
    options.no_put = random_.chance(1, 8);
    options.no_delete = random_.chance(1, 8);
    const std::string begin = key();
    const std::string ends[] = {"", kNoEndText, begin + "x", "f"};
    client()->watch(options, begin, ends[random_.below(4)]);
  }
  void cancel() {
    WatchClient* c = client();
    if (c == nullptr || c->watches.empty()) return;
    auto at = std::next(c->watches.begin(), random_.below(c->watches.size()));
    world_.hub->cancel(*c->stream, at->first);
  }
  void rarely() {
    const uint64_t what = random_.below(8);
    const int64_t now = world_.store->current_revision().value;
    if (what == 0) {
      (void)world_.compact(std::max<int64_t>(1, now - random_.between(0, 30)));
    } else if (what == 1) {
      // As after a snapshot: what wasn't flushed comes from the store.
      world_.feed->restore(world_.share_store());
    } else if (what == 2 && clients_.size() > 2) {
      clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(random_.below(clients_.size())));
    }
  }

  Random random_;
  WatchWorld world_;
  std::vector<std::unique_ptr<WatchClient>> clients_;
  size_t events_ = 0, compacted_ = 0;
};

TEST(WatchModel, NothingIsMissedNothingComesTwice) {
  size_t events = 0, compacted = 0;
  for (uint64_t seed = 0; seed < 60 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    model.run(1500);
    events += model.events();
    compacted += model.compacted();
  }
  EXPECT_GT(events, 10'000u);
  EXPECT_GT(compacted, 20u);
}

}  // namespace
}  // namespace holdfast::mvcc
