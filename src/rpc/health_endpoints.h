// /health, /livez and /readyz (HTTP-04..06, MET-13; etcd api/etcdhttp/health.go). Checks run one
// after the other, in the order of etcd's registration.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "env/metrics.h"
#include "rpc/http_replies.h"
#include "server/v3_server.h"

namespace holdfast::rpc {

class HealthEndpoints {
 public:
  struct Options {
    env::Duration request_timeout =
        std::chrono::seconds(7);  // ReqTimeout (PUT-07), of /health's read
  };
  HealthEndpoints(server::V3Server& v3, env::Metrics& metrics, Logger& log, Options options);

  // False if `path` is none of them; else the answer is given through `reply`, now or later.
  bool handle(std::string_view path, const HttpReply& reply);

 private:
  enum class Check : uint8_t { data_corruption, serializable_read, linearizable_read, non_learner };
  struct Kind {
    std::string_view type;  // "livez", "readyz"
    std::vector<Check> checks;
  };
  struct Run;

  static std::string_view name(Check check);
  void serve_health(const HttpReply& reply);
  void finish_health(const HttpReply& reply, std::string_view reason);
  void serve_checks(const HttpReply& reply, std::string_view path, const Kind& kind,
                    std::vector<Check> checks);
  std::vector<Check> without_excluded(const Kind& kind, const QueryPairs& query);
  void step(std::shared_ptr<Run> run);  // shared by the checks' callbacks
  void run_check(const Run& run, Check check, server::ReadDone done);
  void record(Run& run, Check check, const absl::Status& status);
  void finish(const Run& run);

  server::V3Server& v3_;
  env::Metrics& metrics_;
  Logger& log_;
  const Options options_;
  const Kind livez_;
  const Kind readyz_;
  env::Counter& health_success_;
  env::Counter& health_failures_;
};

}  // namespace holdfast::rpc
