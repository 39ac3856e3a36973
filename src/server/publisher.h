// Tells the cluster this member's name and client URLs through raft, again and again until it worked (etcd publishV3;
// parity MEM-08). Only then does the member count as started, and only then are clients served (TRP-65).
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "env/executor.h"
#include "server/chore.h"
#include "server/request_path.h"

namespace holdfast::server {

class Publisher : public Chore {
 public:
  struct Attributes {
    MemberId member;
    ClusterId cluster;
    std::string name;
    std::vector<std::string> client_urls;
  };
  // `published` runs once, on the executor.
  Publisher(env::Executor& executor, Proposer& proposer, Logger& log, Attributes attributes,
            env::Duration request_timeout, Task published);

  std::string_view name() const override { return "publish"; }
  void start() override;
  void stop() override;

 private:
  void publish();
  void on_result(const absl::Status& status);

  env::Executor& executor_;
  Proposer& proposer_;
  Logger& log_;
  const Attributes attributes_;
  const env::Duration request_timeout_;
  Task published_;
  bool stopped_ = false;
};

}  // namespace holdfast::server
