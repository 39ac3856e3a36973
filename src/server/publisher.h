// Tells the cluster this member's name and client URLs through raft, again and again until it worked (etcd publishV3;
// parity MEM-08). Only then does the member count as started, and only then are clients served (TRP-65).
//
// A member that joins behind the log's beginning gets its own words back inside a snapshot, and nobody answers the proposal:
// etcd waits out the request's 7 s and says them again; here the snapshot is looked into.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "env/executor.h"
#include "server/after_replay.h"
#include "server/peers.h"
#include "server/version_monitor.h"

namespace holdfast::server {

class Publisher : public AfterReplay {
 public:
  struct Attributes {
    MemberId member;
    ClusterId cluster;
    std::string name;
    std::vector<std::string> client_urls;
  };
  struct Parts {
    env::Executor& executor;
    ClusterFacts& facts;
    const MemberInfo& member;
    const Peers& peers;
    AskMemberVersions ask;  // while the cluster's version doesn't say in which form to publish
    Logger& log;
  };
  // `published` runs once, on the executor.
  Publisher(Parts parts, Attributes attributes, env::Duration request_timeout, Task published);

  std::string_view name() const override { return "publish"; }
  void stop() override;
  void on_installed(Index index) override;

 private:
  void on_started() override { began_ = parts_.executor.now(); }
  void on_replayed() override { publish(); }
  void publish();
  void publish_as(FactForm form);
  void on_versions(const MemberVersions& versions);
  void on_result(const absl::Status& status);
  void look();
  void finish();

  const Parts parts_;
  const Attributes attributes_;
  const env::Duration request_timeout_;
  Task published_;
  env::Instant began_;
  bool warned_ = false;
  bool stopped_ = false;  // or done
};

}  // namespace holdfast::server
