// The oracle of the simulator, against etcd's rules written out by hand.
#include "sim/kv_model.h"

#include "base/random.h"
#include "gtest/gtest.h"
#include "test/sim/kv_ops.h"

namespace holdfast::sim {
namespace {

TEST(KvModel, RevisionsVersionsAndCreation) {
  KvModel model;
  EXPECT_EQ(model.revision(), 1);
  EXPECT_EQ(model.apply(put("a", "1")).revision, 2);
  EXPECT_EQ(model.apply(put("a", "2")).revision, 3);
  const KvResult read = model.apply(get("a"));
  ASSERT_EQ(read.pairs.size(), 1u);
  EXPECT_EQ(read.pairs[0], (KvPair{"a", "2", 2, 3, 2}));
  EXPECT_EQ(model.apply(erase("a")).count, 1);
  EXPECT_EQ(model.apply(erase("a")).revision, 4) << "nothing deleted, no revision";
  model.apply(put("a", "3"));
  EXPECT_EQ(model.pairs().at(0), (KvPair{"a", "3", 5, 5, 1}));
}

TEST(KvModel, RangesAndThePast) {
  KvModel model;
  for (const char* key : {"a", "b", "c"}) model.apply(put(key, key));
  EXPECT_EQ(model.apply(get("a", "c")).count, 2);
  EXPECT_EQ(model.apply(get("b", std::string(1, '\0'))).count, 2);
  EXPECT_EQ(model.apply(get("c", "a")).count, 0) << "a reversed range is empty";
  KvOp limited = get("a", std::string(1, '\0'));
  limited.limit = 1;
  const KvResult result = model.apply(limited);
  EXPECT_EQ(result.count, 3);
  EXPECT_TRUE(result.more);
  EXPECT_EQ(result.pairs.size(), 1u);
  EXPECT_EQ(model.read(get("a", std::string(1, '\0')), 2).count, 1);
}

TEST(KvModel, ATransactionIsOneRevision) {
  KvModel model;
  KvOp txn;
  txn.kind = KvKind::txn;
  txn.compares.push_back({"a", KvCompare::Target::create, KvCompare::Result::equal, 0, {}});
  txn.then_ops = {put("a", "1"), put("b", "2"), erase("a")};
  txn.else_ops = {get("a")};
  const KvResult first = model.apply(txn);
  EXPECT_TRUE(first.succeeded);
  EXPECT_EQ(first.revision, 2);
  EXPECT_TRUE(first.changed(txn));
  EXPECT_EQ(model.pairs().size(), 1u);
  // A value is compared only where there is one.
  txn.compares = {{"a", KvCompare::Target::value, KvCompare::Result::not_equal, 0, "x"}};
  const KvResult second = model.apply(txn);
  EXPECT_FALSE(second.succeeded);
  EXPECT_EQ(second.revision, 2);
  EXPECT_FALSE(second.changed(txn));
}

KvOp random_op(Random& random) {
  const auto key = [&random] { return std::string(1, static_cast<char>('a' + random.below(5))); };
  switch (random.below(5)) {
    case 0: return erase(key());
    case 1: return erase(key(), key());
    case 2: {
      KvOp txn;
      txn.kind = KvKind::txn;
      txn.compares.push_back({key(), KvCompare::Target::version, KvCompare::Result::greater, 0, {}});
      txn.then_ops = {put(key(), "t"), erase(key())};
      txn.else_ops = {put(key(), "e")};
      return txn;
    }
    default: return put(key(), std::to_string(random.below(100)));
  }
}

TEST(KvModel, RollbackUndoesEverything) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    KvModel model;
    for (int i = 0; i < 10; ++i) model.apply(random_op(random));
    const int64_t revision = model.revision();
    const uint64_t hash = model.hash();
    const std::vector<KvPair> pairs = model.pairs();
    for (int i = 0; i < 10; ++i) model.apply(random_op(random));
    model.rollback(revision);
    EXPECT_EQ(model.revision(), revision);
    EXPECT_EQ(model.hash(), hash);
    EXPECT_EQ(model.pairs(), pairs);
  }
}

TEST(KvModel, SerializedAndBack) {
  Random random(4);
  KvModel model;
  for (int i = 0; i < 50; ++i) model.apply(random_op(random));
  KvModel copy = KvModel::deserialize(model.serialize());
  EXPECT_EQ(copy.pairs(), model.pairs());
  EXPECT_EQ(copy.hash(), model.hash());
  const KvOp next = put("a", "z");
  EXPECT_EQ(copy.apply(next), model.apply(next));
}

}  // namespace
}  // namespace holdfast::sim
