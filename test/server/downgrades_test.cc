#include "server/downgrades.h"

#include <optional>

#include "gtest/gtest.h"
#include "membership.pb.h"
#include "test/server/cluster_world.h"

namespace holdfast::server {
namespace {

using std::chrono::seconds;

struct DowngradesTest : ::testing::Test {
  DowngradesTest() : cluster(w, w.world.owner, w.world.clock) {}
  Downgrades::Done note() {
    answer.reset();
    return [this](absl::StatusOr<std::string> result) { answer = std::move(result); };
  }
  // The cluster's version, or the error's text.
  std::string text() {
    w.world.run_ready();
    if (!answer) return "no answer";
    return answer->ok() ? **answer : std::string(message(answer->status()));
  }
  std::string validate(const std::string& target) {
    cluster.downgrades.validate(w.context(), target, note());
    return text();
  }
  std::string enable(const std::string& target) {
    w.proposer.next = std::make_unique<apply::Result>();
    cluster.downgrades.enable(w.context(), target, note());
    return text();
  }
  std::string cancel() {
    cluster.downgrades.cancel(w.context(), note());
    return text();
  }
  void set_downgrade(bool enabled, const std::string& target) {
    membership::RecordChanges records;
    w.member.cluster_now->set_downgrade({enabled, target}, records);
  }
  membershippb::DowngradeInfoSetRequest proposed() {
    membershippb::DowngradeInfoSetRequest request;
    EXPECT_EQ(w.proposer.proposals.back().command, Command::downgrade_info_set);
    EXPECT_TRUE(request.ParseFromString(w.proposer.proposals.back().request));
    return request;
  }

  V3World w;
  ClusterWorld cluster;
  std::optional<absl::StatusOr<std::string>> answer;
};

// MNT-10
TEST_F(DowngradesTest, OneMinorVersionDownAndNoOther) {
  EXPECT_EQ(validate("3.6"), "3.7");
  EXPECT_EQ(validate("3.6.0"), "3.7");
  for (const char* target : {"3.5.0", "3.7.0", "3.8.0", "2.9.0"})
    EXPECT_EQ(validate(target), holdfast::text(EtcdError::invalid_downgrade_target_version)) << target;
  for (const char* target : {"", "x", "3", "v3.6"})
    EXPECT_EQ(validate(target), holdfast::text(EtcdError::wrong_downgrade_version_format)) << target;
  EXPECT_EQ(w.reader.reads, 6);
}

// MNT-10, VER-07
TEST_F(DowngradesTest, EnablingIsProposed) {
  EXPECT_EQ(enable("3.6"), "3.7");
  EXPECT_TRUE(proposed().enabled());
  EXPECT_EQ(proposed().ver(), "3.6.0");
  set_downgrade(true, "3.6.0");
  EXPECT_EQ(validate("3.6"), holdfast::text(EtcdError::downgrade_in_process));
}

TEST_F(DowngradesTest, NothingWithoutAVersionOrARead) {
  w.reader.set(error(EtcdError::no_leader));
  EXPECT_EQ(validate("3.6"), holdfast::text(EtcdError::no_leader));
  w.member.cluster_now = std::make_shared<membership::Cluster>();
  EXPECT_EQ(validate("3.6"), holdfast::text(EtcdError::cluster_version_unavailable));
}

// MNT-11, TRP-34
TEST_F(DowngradesTest, CancellingAlwaysSucceeds) {
  EXPECT_EQ(cancel(), "3.7") << "nothing to cancel";
  EXPECT_TRUE(w.proposer.proposals.empty());
  set_downgrade(true, "3.6.0");
  w.proposer.next = std::make_unique<apply::Result>();
  EXPECT_EQ(cancel(), "3.7");
  EXPECT_FALSE(proposed().enabled());
  w.reader.set(error(EtcdError::no_leader));
  EXPECT_EQ(cancel(), "3.7");
}

// VER-08
TEST_F(DowngradesTest, EndsWhenAllRunTheTarget) {
  int asked = 0;
  MemberVersions versions{{MemberId(1), RemoteCluster::Versions{"3.7.1", "3.6.0"}}};
  DowngradeMonitor monitor({w.world.owner, w.proposer, w.member,
                            [&](auto done) {
                              ++asked;
                              done(versions);
                            },
                            w.log},
                           seconds(5), seconds(7));
  monitor.start();
  w.world.pass(seconds(11));
  EXPECT_EQ(asked, 0) << "no downgrade";
  set_downgrade(true, "3.6.0");
  w.world.pass(seconds(5));
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(w.proposer.proposals.empty()) << "one is newer";
  versions[MemberId(1)]->server = "3.6.13";
  w.member.leader_id = 0;
  w.world.pass(seconds(5));
  EXPECT_EQ(asked, 1) << "the leader's business";
  w.member.leader_id = 0xabc;
  w.proposer.next = std::make_unique<apply::Result>();
  w.world.pass(seconds(5));
  ASSERT_EQ(w.proposer.proposals.size(), 1u);
  EXPECT_FALSE(proposed().enabled());
  monitor.stop();
  w.world.pass(seconds(20));
  EXPECT_EQ(w.proposer.proposals.size(), 1u);
}

}  // namespace
}  // namespace holdfast::server
