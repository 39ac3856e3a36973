// Lease commands: records, keys that hang on leases, and what a restart brings back.
#include "lease/record.h"
#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

class Leases : public ApplyTest, protected StateObserver {
 protected:
  void on_lease_revoked(LeaseId id) override { revoked_.push_back(id.value); }
  void on_changes(Revision, const std::vector<mvcc::Change>& changes) override {
    for (const mvcc::Change& change : changes)
      changes_ += std::string(change.pair.key) + (change.deleted ? "-" : "+") +
                  std::to_string(change.revision.main) + "." + std::to_string(change.revision.sub) + " ";
  }
  std::vector<std::string> keys_of(int64_t id) {
    return machine->leases().with([&](const lease::Lessor& lessor) { return lessor.keys_of(LeaseId(id)); });
  }
  std::vector<int64_t> revoked_;
  std::string changes_;
};

// LEA-01, LEA-02, ERR-12, ERR-13, ERR-14
TEST_F(Leases, Grant) {
  expect("lease_grant { ID: 5 TTL: 60 }", "header { revision: 1 } ID: 5 TTL: 60");
  expect("lease_grant { ID: 5 TTL: 60 }", "etcdserver: lease already exists");
  expect("lease_grant { ID: 6 TTL: 9000000001 }", "etcdserver: too large lease TTL");
  expect("lease_grant { ID: 6 TTL: 9000000000 }", "header { revision: 1 } ID: 6 TTL: 9000000000");
  expect("lease_grant { ID: 8 TTL: 1 }", "header { revision: 1 } ID: 8 TTL: 2");
  expect("lease_grant { ID: 0 TTL: 1 }", "etcdserver: requested lease not found");
  expect("lease_grant { ID: -3 TTL: 10 }", "header { revision: 1 } ID: -3 TTL: 10");
}

// LEA-04, TRP-28
TEST_F(Leases, RevokeDeletesKeysInOrderInOneRevision) {
  machine->set_observer(this);
  say("lease_grant { ID: 5 TTL: 60 }");
  for (const char* key : {"m", "a", "z", "b"})
    say(std::string("put { key: '") + key + "' lease: 5 }");
  say("put { key: 'b' }");          // detached
  say("delete_range { key: 'z' }");  // gone
  EXPECT_EQ(keys_of(5), (std::vector<std::string>{"a", "m"}));
  changes_.clear();
  expect("lease_revoke { ID: 5 }", "header { revision: 8 }");
  EXPECT_EQ(changes_, "a-8.0 m-8.1 ");
  EXPECT_EQ(revoked_, std::vector<int64_t>{5});
  EXPECT_EQ(get("b"), "");
  expect("lease_revoke { ID: 5 }", "etcdserver: requested lease not found");
  expect("lease_revoke { ID: 0 }", "etcdserver: requested lease not found");
  // Without keys there is no new revision.
  say("lease_grant { ID: 6 TTL: 60 }");
  expect("lease_revoke { ID: 6 }", "header { revision: 8 }");
  machine->set_observer(nullptr);
}

// KV-21
TEST_F(Leases, AKeyHangsOnItsLastLease) {
  say("lease_grant { ID: 5 TTL: 60 }");
  say("lease_grant { ID: 6 TTL: 60 }");
  say("put { key: 'a' lease: 5 }");
  say("txn { success { request_put { key: 'a' lease: 6 } } }");
  EXPECT_TRUE(keys_of(5).empty());
  EXPECT_EQ(keys_of(6), std::vector<std::string>{"a"});
  say("lease_revoke { ID: 5 }");
  EXPECT_EQ(get("a"), "");
  say("lease_revoke { ID: 6 }");
  EXPECT_EQ(get("a"), "(none)");
}

// LEA-15, LEA-16, BKT-16
TEST_F(Leases, ARestartBringsBackLeasesAndTheirKeys) {
  options.lease_checkpoint_persist = true;
  close();
  open();
  say("lease_grant { ID: 5 TTL: 60 }");
  say("lease_grant { ID: 6 TTL: 60 }");
  say("put { key: 'a' lease: 5 }");
  say("put { key: 'b' lease: 6 }");
  say("put { key: 'b' }");
  expect("lease_checkpoint { checkpoints { ID: 5 remaining_TTL: 40 } checkpoints { ID: 99 remaining_TTL: 1 } }",
         "header { revision: 4 }");
  say("lease_revoke { ID: 6 }");
  commit();
  close();
  open();
  EXPECT_EQ(keys_of(5), std::vector<std::string>{"a"});
  EXPECT_FALSE(machine->leases().contains(LeaseId(6)));
  const auto status = machine->leases().with(
      [](const lease::Lessor& lessor) { return lessor.status(LeaseId(5), env::Instant{1}); });
  ASSERT_TRUE(status);
  EXPECT_EQ(status->granted_ttl, 60);
  EXPECT_EQ(status->remaining_ttl, 40);
}

TEST_F(Leases, ADamagedRecordIsNotOpened) {
  say("lease_grant { ID: 5 TTL: 60 }");
  backend->put(backend::Bucket::lease, lease::record_key(LeaseId(5)), "\xff");
  commit();
  close();
  backend = std::make_unique<backend::Backend>(backend::make_memory_engine(image), backend::BackendOptions{},
                                               backend_environment());
  auto opened = StateMachine::open(*backend, membership::Cluster::provisional(ClusterId(0x22), {}), options,
                                   {owner, background, process, metrics, TestWorld::log, nobody_is_refused});
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace holdfast::apply
