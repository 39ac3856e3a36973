// Commands and conf changes that change the cluster, and that memory follows the log where the backend is ahead of it.
#include "membership/member.h"
#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

class Clusters : public ApplyTest {
 protected:
  using Effect = ConfChangeOutcome::Effect;

  static raft::ConfChange add(uint64_t id, const std::string& url, bool learner = false) {
    const membership::Member member{.id = MemberId(id), .peer_urls = {url}, .is_learner = learner};
    return {.type = learner ? raft::ConfChangeType::add_learner_node : raft::ConfChangeType::add_node,
            .node_id = MemberId(id),
            .context = SharedBytes(membership::to_json(member))};
  }
  static raft::ConfChange promote(uint64_t id) {
    const membership::ConfChangeContext context{.member = {.id = MemberId(id)}, .is_promote = true};
    return {.node_id = MemberId(id), .context = SharedBytes(membership::to_json(context))};
  }
  static raft::ConfChange remove(uint64_t id) {
    return {.type = raft::ConfChangeType::remove_node, .node_id = MemberId(id)};
  }
  static raft::ConfChange update(uint64_t id, const std::string& url) {
    const membership::Member member{.id = MemberId(id), .peer_urls = {url}};
    return {.type = raft::ConfChangeType::update_node,
            .node_id = MemberId(id),
            .context = SharedBytes(membership::to_json(member))};
  }
  // As a new entry.
  ConfChangeOutcome change(const raft::ConfChange& what) {
    log.push_back({.term = Term(2), .index = Index(log.size() + 1), .type = raft::EntryType::conf_change});
    const bool should_apply = machine->begin_entry(log.back().index, log.back().term);
    ConfChangeOutcome outcome = machine->apply_conf_change(what, should_apply);
    backend->entry_boundary();
    return outcome;
  }
  std::string conf_state() {
    backend::ReadView view = backend->view();
    return view.get(backend::Bucket::meta, backend::kConfStateKey).value_or("");
  }
};

// VER-01, VER-02, PUT-16
TEST_F(Clusters, VersionIsSetAndFollowsTheLog) {
  change(add(0x11, "http://a"));
  EXPECT_FALSE(machine->cluster()->version());
  expect("cluster_version_set { ver: '3.6.0' }", "ok");
  EXPECT_EQ(machine->cluster()->version()->to_string(), "3.6.0");
  expect("cluster_version_set { ver: '3.7.0' }", "ok");
  commit();
  // An entry that the backend has already still shows in memory, and isn't stored again.
  EXPECT_EQ(text(hand_in(log[1]).get()), "none");
  EXPECT_EQ(machine->cluster()->version()->to_string(), "3.6.0");
  close();
  open();
  EXPECT_EQ(machine->cluster()->version()->to_string(), "3.7.0");
  EXPECT_THROW(say("cluster_version_set { ver: '3.8.0' }"), std::runtime_error);
  EXPECT_THROW(say("cluster_version_set { ver: 'new' }"), std::runtime_error);
}

// VER-07, VER-10
TEST_F(Clusters, Downgrade) {
  change(add(0x11, "http://a"));
  expect("downgrade_info_set { enabled: true ver: '3.6.0' }", "ok");
  EXPECT_TRUE(machine->cluster()->downgrade().enabled);
  EXPECT_EQ(machine->cluster()->downgrade().target_version, "3.6.0");
  commit();
  close();
  open();
  EXPECT_TRUE(machine->cluster()->downgrade().enabled);
  expect("downgrade_info_set { enabled: false ver: '3.6.0' }", "ok");
  EXPECT_FALSE(machine->cluster()->downgrade().enabled);
  EXPECT_EQ(machine->cluster()->downgrade().target_version, "");
  expect("downgrade_version_test { ver: '3.5.0' }", "ok");
}

// MEM-08, MEM-09
TEST_F(Clusters, AttributesOfMembers) {
  change(add(0x11, "http://a"));
  expect("cluster_member_attr_set { member_ID: 17 member_attributes { name: 'one' client_urls: 'http://c' } }", "ok");
  const membership::Member* member = machine->cluster()->find(MemberId(0x11));
  EXPECT_EQ(member->name, "one");
  EXPECT_EQ(member->client_urls, std::vector<std::string>{"http://c"});
  change(add(0x33, "http://b"));
  change(remove(0x33));
  expect("cluster_member_attr_set { member_ID: 51 member_attributes { name: 'gone' } }", "ok");
  EXPECT_THROW(say("cluster_member_attr_set { member_ID: 99 member_attributes { name: 'who' } }"), std::runtime_error);
}

// CLU-05, CLU-08, MEM-06, MEM-07, MEM-15, ERR-16, ERR-17, ERR-20, ERR-21, ERR-23
TEST_F(Clusters, ConfChanges) {
  ConfChangeOutcome outcome = change(add(0x11, "http://a"));
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_TRUE(outcome.tell_raft);
  EXPECT_EQ(outcome.for_raft.node_id, MemberId(0x11));
  EXPECT_EQ(outcome.effect, Effect::added);
  EXPECT_EQ(outcome.peer_urls, std::vector<std::string>{"http://a"});

  const auto refused = [&](const raft::ConfChange& what, const std::string& error) {
    const ConfChangeOutcome outcome = change(what);
    EXPECT_EQ(message(outcome.status), error);
    EXPECT_TRUE(outcome.tell_raft);
    EXPECT_EQ(outcome.for_raft.node_id, MemberId(0));
    EXPECT_EQ(outcome.effect, Effect::none);
  };
  refused(add(0x11, "http://b"), "etcdserver: member ID already exist");
  refused(add(0x22, "http://a"), "etcdserver: Peer URLs already exists");
  refused(remove(0x99), "etcdserver: member not found");
  refused(update(0x99, "http://z"), "etcdserver: member not found");
  refused(promote(0x11), "etcdserver: can only promote a learner member");
  refused(promote(0x99), "etcdserver: member not found");

  EXPECT_EQ(change(add(0x22, "http://b", true)).effect, Effect::added);
  refused(add(0x33, "http://c", true), "etcdserver: too many learner members in cluster");
  commit();
  EXPECT_EQ(conf_state(), R"({"voters":[17],"learners":[34],"auto_leave":false})");
  EXPECT_EQ(change(promote(0x22)).effect, Effect::promoted);
  EXPECT_EQ(change(update(0x22, "http://b2")).peer_urls, std::vector<std::string>{"http://b2"});
  outcome = change(remove(0x22));
  EXPECT_EQ(outcome.effect, Effect::removed);
  EXPECT_FALSE(outcome.removed_self);
  // TRP-43
  refused(add(0x22, "http://b"), "etcdserver: member not found");
  EXPECT_TRUE(machine->cluster()->is_removed(MemberId(0x22)));
  commit();
  EXPECT_EQ(conf_state(), R"({"voters":[17],"auto_leave":false})");
  refused(remove(0x11), "etcdserver: re-configuration failed due to not enough started members");
  EXPECT_EQ(change(add(0x44, "http://d")).effect, Effect::added);
  EXPECT_TRUE(change(remove(0x11)).removed_self);
}

// MEM-07: raft has what the backend has; the transport is told all the same.
TEST_F(Clusters, ConfChangesAppliedBeforeAreNotToldToRaft) {
  const raft::ConfChange first = add(0x11, "http://a");
  change(first);
  commit();
  close();
  open();
  ASSERT_FALSE(machine->begin_entry(log.front().index, log.front().term));
  const ConfChangeOutcome outcome = machine->apply_conf_change(first, false);
  EXPECT_FALSE(outcome.tell_raft);
  EXPECT_EQ(outcome.effect, Effect::added);
  EXPECT_EQ(machine->cluster()->members().size(), 1u);
}

}  // namespace
}  // namespace holdfast::apply
