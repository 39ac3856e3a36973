#include "rpc/health_endpoints.h"

#include <algorithm>
#include <utility>

#include "apply/alarm_store.h"
#include "base/errors.h"
#include "base/go_text.h"
#include "base/json.h"
#include "fmt/format.h"

namespace holdfast::rpc {

using apply::AlarmType;
using Consistency = server::V3Server::Consistency;

// One request to /livez or /readyz under way; shared by the request and the read that it waits for.
struct HealthEndpoints::Run {
  HttpReply reply;
  std::string path;
  std::string_view type;
  std::vector<Check> checks;
  size_t next = 0;
  bool failed = false;
  std::string output;  // a line for each check
};

HealthEndpoints::HealthEndpoints(server::V3Server& v3, env::Metrics& metrics, Logger& log,
                                 Options options)
    : v3_(v3),
      metrics_(metrics),
      log_(log),
      options_(options),
      livez_{"livez", {Check::serializable_read}},
      readyz_{"readyz",
              {Check::data_corruption, Check::serializable_read, Check::linearizable_read,
               Check::non_learner}},
      health_success_(metrics.counter("etcd_server_health_success",
                                      "The total number of successful health checks")),
      health_failures_(metrics.counter("etcd_server_health_failures",
                                       "The total number of failed health checks")) {}

std::string_view HealthEndpoints::name(Check check) {
  switch (check) {
    case Check::data_corruption:
      return "data_corruption";
    case Check::serializable_read:
      return "serializable_read";
    case Check::linearizable_read:
      return "linearizable_read";
    case Check::non_learner:
      return "non_learner";
  }
  return "";
}

bool HealthEndpoints::handle(std::string_view path, const HttpReply& reply) {
  if (path == "/health") {
    serve_health(reply);
    return true;
  }
  for (const Kind* kind : {&livez_, &readyz_}) {
    std::string_view rest = path;
    if (!rest.starts_with('/') || !rest.substr(1).starts_with(kind->type)) continue;
    rest.remove_prefix(1 + kind->type.size());
    if (rest.empty()) {
      serve_checks(reply, path, *kind, kind->checks);
      return true;
    }
    for (const Check check : kind->checks) {
      if (rest.front() != '/' || rest.substr(1) != name(check)) continue;
      serve_checks(reply, path, *kind, {check});
      return true;
    }
  }
  return false;
}

// --- /health ---

void HealthEndpoints::serve_health(const HttpReply& reply) {
  if (!reply.require_method("GET")) {
    log_.warn("/health error", {{"status-code", 405}});
    return;
  }
  const QueryPairs query = parse_query(reply.request().query());
  const std::vector<std::string> excluded = query_set(query, "exclude");
  const auto flag = std::find_if(query.begin(), query.end(),
                                 [](const auto& pair) { return pair.first == "serializable"; });
  const bool serializable = flag != query.end() && flag->second == "true";

  for (const apply::Alarm& alarm : v3_.member().alarms()) {
    const std::string_view alarm_name = alarm.type == AlarmType::nospace   ? "NOSPACE"
                                        : alarm.type == AlarmType::corrupt ? "CORRUPT"
                                                                           : "NONE";
    if (std::find(excluded.begin(), excluded.end(), alarm_name) != excluded.end()) continue;
    log_.warn("serving /health false due to an alarm",
              {{"alarm", fmt::format("memberID:{} alarm:{}", alarm.member.value, alarm_name)}});
    return finish_health(reply, alarm.type == AlarmType::none
                                    ? std::string("ALARM UNKNOWN")
                                    : fmt::format("ALARM {}", alarm_name));
  }
  if (!serializable && !v3_.member().leader()) {
    log_.warn("serving /health false; no leader");
    return finish_health(reply, "RAFT NO LEADER");
  }
  net::IoThread& thread = reply.exchange().executor();
  server::CallContext context;
  context.reply_on = &thread;
  context.deadline = thread.now() + options_.request_timeout;
  v3_.health_read(context, serializable ? Consistency::local : Consistency::linearizable,
                  [this, reply](absl::Status status) {
                    if (status.ok()) return finish_health(reply, "");
                    log_.warn("serving /health false; Range fails", {{"error", message(status)}});
                    finish_health(reply, fmt::format("RANGE ERROR:{}", message(status)));
                  });
}

void HealthEndpoints::finish_health(const HttpReply& reply, std::string_view reason) {
  const bool healthy = reason.empty();
  std::string body = fmt::format(R"({{"health":"{}","reason":)", healthy);
  json::append_string(body, reason);
  body += '}';
  if (healthy) {
    health_success_.increment();
    // What Go's sniffing makes of it.
    reply.respond(200, {{"Content-Type", "text/plain; charset=utf-8"}}, body);
    return;
  }
  health_failures_.increment();
  reply.error(503, body);
  log_.warn("/health error", {{"output", body}, {"status-code", 503}});
}

// --- /livez, /readyz ---

void HealthEndpoints::serve_checks(const HttpReply& reply, std::string_view path, const Kind& kind,
                                   std::vector<Check> checks) {
  if (!reply.require_method("GET")) {
    log_.warn("Health request error", {{"path", path}, {"status-code", 405}});
    return;
  }
  const bool all = path.size() == kind.type.size() + 1;
  if (all) checks = without_excluded(kind, parse_query(reply.request().query()));
  step(std::make_shared<Run>(Run{reply, std::string(path), kind.type, std::move(checks)}));
}

std::vector<HealthEndpoints::Check> HealthEndpoints::without_excluded(const Kind& kind,
                                                                      const QueryPairs& query) {
  std::vector<std::string> excluded = query_set(query, "exclude");
  std::sort(excluded.begin(), excluded.end());
  excluded.erase(std::unique(excluded.begin(), excluded.end()), excluded.end());
  std::vector<Check> checks;
  for (const Check check : kind.checks) {
    const auto it = std::find(excluded.begin(), excluded.end(), name(check));
    if (it == excluded.end())
      checks.push_back(check);
    else
      excluded.erase(it);
  }
  if (!excluded.empty()) {
    std::string missing;
    for (const std::string& one : excluded)
      missing += (missing.empty() ? "" : ",") + go_quote(one);
    log_.warn("some health checks cannot be excluded", {{"missing-health-checks", missing}});
  }
  return checks;
}

void HealthEndpoints::step(std::shared_ptr<Run> run) {
  if (run->next == run->checks.size()) return finish(*run);
  const Check check = run->checks[run->next++];
  Run& current = *run;
  run_check(current, check, [this, run = std::move(run), check](absl::Status status) mutable {
    record(*run, check, status);
    step(std::move(run));
  });
}

void HealthEndpoints::run_check(const Run& run, Check check, server::ReadDone done) {
  server::CallContext context;
  context.reply_on = &run.reply.exchange().executor();  // HTTP-06: no time limit of its own
  switch (check) {
    case Check::data_corruption: {
      const std::vector<apply::Alarm> alarms = v3_.member().alarms();
      const bool corrupt = std::any_of(alarms.begin(), alarms.end(), [](const apply::Alarm& alarm) {
        return alarm.type == AlarmType::corrupt;
      });
      return done(corrupt ? absl::UnknownError("alarm activated: CORRUPT") : absl::OkStatus());
    }
    case Check::serializable_read:
      return v3_.health_read(context, Consistency::local, std::move(done));
    case Check::linearizable_read:
      return v3_.health_read(context, Consistency::linearizable, std::move(done));
    case Check::non_learner:
      return done(v3_.member().is_learner() ? absl::UnknownError("not supported for learner")
                                            : absl::OkStatus());
  }
}

void HealthEndpoints::record(Run& run, Check check, const absl::Status& status) {
  if (status.ok()) {
    run.output += fmt::format("[+]{} ok\n", name(check));
  } else {
    run.output += fmt::format("[-]{} failed: {}\n", name(check), message(status));
    run.failed = true;
  }
  const env::Labels labels = {{"type", std::string(run.type)}, {"name", std::string(name(check))}};
  metrics_.gauge("etcd_server_healthcheck", "The result of each kind of healthcheck.", labels)
      .set(status.ok() ? 1 : 0);
  env::Labels with_status = labels;
  with_status.emplace_back("status", status.ok() ? "success" : "error");
  metrics_
      .counter("etcd_server_healthchecks_total", "The total number of each kind of healthcheck.",
               with_status)
      .increment();
}

void HealthEndpoints::finish(const Run& run) {
  if (run.failed) {
    run.reply.error(503, run.output);
    log_.error("Health check error",
               {{"path", run.path}, {"reason", run.output}, {"status-code", 503}});
    return;
  }
  const QueryPairs query = parse_query(run.reply.request().query());
  const bool verbose = std::any_of(query.begin(), query.end(),
                                   [](const auto& pair) { return pair.first == "verbose"; });
  run.reply.respond(
      200, {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
      (verbose ? run.output : "") + "ok\n");
}

}  // namespace holdfast::rpc
