// What holdfast-bench is asked to do: its command line as a plain struct.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/clock.h"

namespace holdfast::bench {

enum class Operation : uint8_t {
  put,      // KV.Put
  range,    // KV.Range of one key
  txn_put,  // KV.Txn of one put, without conditions
  health,   // grpc.health.v1.Health.Check: a call that does nothing
  status,   // Maintenance.Status
  watch,    // Watch.Watch, with puts of the watched keys
  lease_grant,       // Lease.LeaseGrant
  lease_keep_alive,  // Lease.LeaseKeepAlive, one request under way on each stream
  sync      // no server: write and fdatasync into a preallocated file, one after the other
};

enum class KeyOrder : uint8_t { random, sequential };
enum class Consistency : uint8_t { linearizable, serializable };
enum class ReportFormat : uint8_t { text, json };

struct TlsFiles {
  std::string ca, certificate, key;
  bool skip_verification = false;
};

struct Options {
  Operation operation = Operation::put;
  std::string address = "127.0.0.1";
  uint16_t port = 2379;
  std::optional<TlsFiles> tls;
  uint32_t connections = 10;
  uint32_t streams = 50;  // calls under way on each connection
  uint32_t threads = 1;
  // Ends after this many calls or this time, whatever is first; none of them: 5 s.
  std::optional<uint64_t> requests;
  std::optional<env::Duration> duration;
  // Calls begun in this time are made and not counted.
  env::Duration warm_up{0};
  // No answer after this: the call fails.
  env::Duration timeout = std::chrono::seconds(10);
  uint64_t watchers = 1000;            // Operation::watch
  std::optional<env::Duration> hold;   // Operation::watch: so long, and no puts
  bool listen = false;                 // Operation::watch: no puts; until every watched key is deleted
  bool check = false;                  // Operation::watch: every event once and in order, or it fails
  bool attach = false;                 // Operation::put: key n to lease n + 1
  uint64_t key_space = 10'000;
  uint32_t key_bytes = 32;
  uint32_t value_bytes = 128;
  int64_t ttl_seconds = 3600;  // of granted leases
  KeyOrder order = KeyOrder::random;
  uint64_t seed = 1;
  Consistency consistency = Consistency::linearizable;
  std::string folder = ".";  // Operation::sync
  ReportFormat format = ReportFormat::text;
};

struct CommandLine {
  Options options;
  bool help = false;
};

// INVALID_ARGUMENT saying what is wrong, in words for the user. `arguments` without the program's name.
absl::StatusOr<CommandLine> parse(const std::vector<std::string>& arguments);
std::string usage();
std::string_view name_of(Operation operation);

}  // namespace holdfast::bench
