// A whole member against an oracle: random requests, several under way at a time, with stops and crashes between them. Every
// answer is the oracle's; after a crash the store is what it was after some prefix of the requests, which holds all that
// were answered; the hash tells. KV-20 KV-26 TXN-09 PUT-16 PUT-21 RD-06 TRP-54 WAL-10
#include <deque>

#include "apply/txn.h"
#include "rpc.pb.h"
#include "test/apply/oracle_text.h"
#include "test/apply/random_requests.h"
#include "test/server/member_world.h"

namespace holdfast::server {
namespace {

namespace pb = etcdserverpb;
using Request = pb::InternalRaftRequest;

bool is_read(const Request& request) {
  return request.has_range() || (request.has_txn() && apply::is_txn_read_only(request.txn()));
}

std::string text_of(std::unique_ptr<apply::Result> result) {
  if (!result->status.ok()) return std::string(message(result->status));
  if (result->response == nullptr) (void)result->as<pb::PutResponse>();  // it says no more than its revision
  return static_cast<const google::protobuf::Message&>(*result->response).ShortDebugString();
}

std::string text_of_range(const absl::StatusOr<std::string>& answer) {
  if (!answer.ok()) return std::string(message(answer.status()));
  pb::RangeResponse response;
  EXPECT_TRUE(response.ParseFromString(*answer));
  const int64_t revision = response.header().revision();
  response.mutable_header()->Clear();
  response.mutable_header()->set_revision(revision);
  return response.ShortDebugString();
}

class MemberModel : public testing::TestWithParam<uint64_t> {
 protected:
  // Writes are logged in the order in which they are proposed, which is the order of their application.
  struct Write {
    Request request;
    std::string wanted;
    std::string answer;  // empty while under way
  };

  void send(const Request& request, std::function<void(std::string)> done) {
    V3Server& v3 = world_.member->v3();
    const auto finished = [done](std::unique_ptr<apply::Result> result) { done(text_of(std::move(result))); };
    const auto bytes = [](const auto& message) { return std::make_shared<std::string>(message.SerializeAsString()); };
    world_.io->post([this, &v3, request, done, finished, bytes] {
      const CallContext context = world_.context();
      if (request.has_put()) {
        const auto view = bytes(request.put());  // must live until the answer
        v3.put(context, *parse_put(*view), [view, finished](std::unique_ptr<apply::Result> r) { finished(std::move(r)); });
      } else if (request.has_range()) {
        const auto view = bytes(request.range());  // must live until the answer
        v3.range(context, *parse_range(*view), {},
                 [view, done](absl::StatusOr<std::string> answer) { done(text_of_range(answer)); });
      } else if (request.has_delete_range()) {
        v3.delete_range(context, request.delete_range(), *bytes(request.delete_range()), finished);
      } else if (request.has_txn()) {
        v3.txn(context, std::make_unique<pb::TxnRequest>(request.txn()), *bytes(request.txn()), {}, finished);
      } else if (request.has_compaction()) {
        v3.compact(context, request.compaction(), *bytes(request.compaction()), finished);
      } else if (request.has_lease_grant()) {
        v3.lease_grant(context, request.lease_grant(), *bytes(request.lease_grant()), finished);
      } else {
        v3.lease_revoke(context, request.lease_revoke(), *bytes(request.lease_revoke()), finished);
      }
    });
  }

  void write(Request request) {
    writes_.push_back({request, ask(oracle_, request), ""});
    const size_t number = writes_.size() - 1;
    send(request, [this, number, life = life_](std::string answer) {
      if (life != life_) return;
      EXPECT_EQ(answered_, number) << "answered out of order";
      ++answered_;
      EXPECT_EQ(answer, writes_[number].wanted) << writes_[number].request.ShortDebugString();
    });
  }
  void wait_for_writes() {
    ASSERT_TRUE(world_.run_until([this] { return answered_ == writes_.size(); })) << "no answer";
  }
  void read(const Request& request) {
    wait_for_writes();
    bool done = false;
    send(request, [&](std::string answer) {
      EXPECT_EQ(answer, ask(oracle_, request)) << request.ShortDebugString();
      done = true;
    });
    ASSERT_TRUE(world_.run_until([&] { return done; })) << request.ShortDebugString();
  }
  void step() {
    const Request request = requests_.next(oracle_.revision(), oracle_.store.compacted);
    if (is_read(request))
      read(request);
    else
      write(request);
    Random& random = requests_.random();
    // A compaction's header tells the revision at the time of its answer (KV-31).
    if (request.has_compaction() || writes_.size() - answered_ >= 12 || random.chance(1, 4)) wait_for_writes();
    if (random.chance(1, 20)) world_.run_for(std::chrono::milliseconds(random.between(0, 300)));
  }

  // The store as text: all pairs with all their fields, and the revision.
  std::string state() {
    Request everything;
    everything.mutable_range()->set_key(std::string(1, '\0'));
    everything.mutable_range()->set_range_end(std::string(1, '\0'));
    std::string state;
    send(everything, [&](std::string answer) { state = std::move(answer); });
    EXPECT_TRUE(world_.run_until([&] { return !state.empty(); }));
    return state;
  }
  std::string state_of(apply::KvOracle& oracle) {
    pb::RangeRequest everything;
    everything.set_key(std::string(1, '\0'));
    everything.set_range_end(std::string(1, '\0'));
    return apply::text_of(oracle.range(everything));
  }
  // What was under way may have happened or not, in order: the oracle goes back to where the store says it is.
  void find_where_we_are() {
    const std::string now = state();
    apply::KvOracle oracle;
    size_t number = 0;
    for (; number < answered_; ++number) ask(oracle, writes_[number].request);
    // The longest prefix that fits: the last writes may have changed nothing.
    std::optional<size_t> fits;
    std::optional<apply::KvOracle> fitting;
    for (;; ++number) {
      if (state_of(oracle) == now) {
        fits = number;
        fitting = oracle;
      }
      if (number == writes_.size()) break;
      ask(oracle, writes_[number].request);
    }
    ASSERT_TRUE(fits) << "after a crash: " << now << "\nwith " << answered_ << " of " << writes_.size() << " answered";
    writes_.resize(*fits);
    answered_ = *fits;
    oracle_ = *fitting;
  }
  void check_hash() {
    wait_for_writes();
    world_.run_for(std::chrono::seconds(2));  // compactions finish
    bool done = false;
    world_.io->post([&] {
      world_.member->v3().hash_kv(world_.context(), Revision(0),
                                  [&](absl::StatusOr<std::unique_ptr<pb::HashKVResponse>> answer) {
                                    ASSERT_TRUE(answer.ok()) << answer.status();
                                    EXPECT_EQ((*answer)->hash(), oracle_.store.hash(oracle_.revision()));
                                    done = true;
                                  });
    });
    ASSERT_TRUE(world_.run_until([&] { return done; }));
  }

  MemberWorld world_{GetParam()};
  apply::RandomRequests requests_{GetParam(), apply::RandomRequests::Leases::long_lived};
  apply::KvOracle oracle_;
  std::deque<Write> writes_;
  size_t answered_ = 0;
  int life_ = 0;  // answers of earlier ones no longer count
};

TEST_P(MemberModel, StopsAndCrashes) {
  world_.boot();
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    for (int i = 0; i < 120 && !HasFailure(); ++i) step();
    if (HasFailure()) return;
    if (round % 3 == 2) {
      wait_for_writes();
      world_.stop();
      ++life_;
      world_.boot();
      EXPECT_EQ(state(), state_of(oracle_));
    } else {
      // Only puts are under way, whose outcome the pairs tell.
      wait_for_writes();
      for (int64_t n = requests_.random().between(0, 12); n > 0; --n) write(requests_.next_put());
      world_.run_for(std::chrono::microseconds(requests_.random().between(0, 3000)));
      world_.crash();
      ++life_;
      world_.boot();
      if (HasFailure()) return;
      find_where_we_are();
    }
    if (!HasFailure()) check_hash();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MemberModel, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace holdfast::server
