#include "apps/holdfast-bench/options.h"

#include <charconv>
#include <functional>

#include "apps/holdfast/go_values.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::bench {

namespace {

// Bounds that keep a slip of the finger from taking the machine down.
constexpr uint64_t kConnectionsMax = 10'000;
constexpr uint64_t kStreamsMax = 10'000;
constexpr uint64_t kThreadsMax = 256;
constexpr uint64_t kKeyBytesMin = 16;  // room for the digits of any key space
constexpr uint64_t kKeyBytesMax = 64 * 1024;
constexpr uint64_t kValueBytesMax = 16 * 1024 * 1024;
constexpr uint64_t kWatchersMax = 100'000'000;
constexpr uint64_t kKeySpaceMax = 10'000'000'000;

constexpr std::pair<std::string_view, Operation> kOperations[] = {
    {"put", Operation::put},         {"range", Operation::range},
    {"txn-put", Operation::txn_put}, {"health", Operation::health},
    {"status", Operation::status},   {"lease-grant", Operation::lease_grant},
    {"lease-keep-alive", Operation::lease_keep_alive}, {"sync", Operation::sync},
    {"watch", Operation::watch},
};

absl::Status wrong(std::string text) {
  return make_status(absl::StatusCode::kInvalidArgument, text);
}

absl::StatusOr<uint64_t> number(std::string_view text, uint64_t low, uint64_t high) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
    return wrong(fmt::format("must be a number from {} to {}", low, high));
  return value;
}

absl::StatusOr<env::Duration> duration(std::string_view text) {
  auto parsed = config::parse_go_duration(text);
  if (!parsed.ok() || *parsed < env::Duration(0))
    return wrong("must be a duration such as 500ms or 10s");
  return *parsed;
}

// host:port, with http:// or https:// in front or not.
absl::Status endpoint(std::string_view text, Options& options) {
  if (text.starts_with("https://")) {
    text.remove_prefix(8);
    if (!options.tls) options.tls.emplace();
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong("must be ADDRESS:PORT");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto port = number(text.substr(colon + 1), 1, 65535);
  if (!port.ok()) return wrong("must be ADDRESS:PORT with a port from 1 to 65535");
  options.address = host == "localhost" ? "127.0.0.1" : std::string(host);
  options.port = static_cast<uint16_t>(*port);
  return absl::OkStatus();
}

struct Flag {
  enum class Kind : uint8_t { value, toggle };
  std::string_view name;
  Kind kind;
  std::string_view form;  // of the value, for the usage
  std::string_view help;
  std::function<absl::Status(std::string_view, Options&)> take;
};

template <class T>
auto store_number(T Options::*field, uint64_t low, uint64_t high) {
  return [=](std::string_view text, Options& options) -> absl::Status {
    auto value = number(text, low, high);
    if (value.ok()) options.*field = static_cast<T>(*value);
    return value.status();
  };
}

template <class T>
auto store_duration(T Options::*field) {
  return [=](std::string_view text, Options& options) -> absl::Status {
    auto value = duration(text);
    if (value.ok()) options.*field = *value;
    return value.status();
  };
}

auto store_tls(std::string TlsFiles::*field) {
  return [=](std::string_view text, Options& options) -> absl::Status {
    if (!options.tls) options.tls.emplace();
    (*options.tls).*field = std::string(text);
    return absl::OkStatus();
  };
}

const std::vector<Flag>& flags() {
  using Kind = Flag::Kind;
  static const std::vector<Flag> table = {
      {"endpoint", Kind::value, "ADDRESS:PORT", "where the server listens (127.0.0.1:2379)", endpoint},
      {"connections", Kind::value, "N", "connections (10)",
       store_number(&Options::connections, 1, kConnectionsMax)},
      {"streams", Kind::value, "N", "calls under way on each connection (50)",
       store_number(&Options::streams, 1, kStreamsMax)},
      {"threads", Kind::value, "N", "threads of this program (1)",
       store_number(&Options::threads, 1, kThreadsMax)},
      {"requests", Kind::value, "N", "end after so many calls",
       store_number(&Options::requests, 1, UINT64_MAX)},
      {"duration", Kind::value, "TIME", "end after this time (5s if neither is given)",
       store_duration(&Options::duration)},
      {"warm-up", Kind::value, "TIME", "do not count the calls of the first TIME (0s)",
       store_duration(&Options::warm_up)},
      {"timeout", Kind::value, "TIME", "a call without an answer fails after it (10s)",
       store_duration(&Options::timeout)},
      {"watchers", Kind::value, "N", "watch: how many, over all streams (1000)",
       store_number(&Options::watchers, 0, kWatchersMax)},
      {"hold", Kind::value, "TIME", "watch: keep the watchers for this time, without puts",
       [](std::string_view text, Options& o) {
         auto value = duration(text);
         if (value.ok()) o.hold = *value;
         return value.status();
       }},
      {"listen", Kind::toggle, "", "watch: no puts either; end when every watched key is deleted",
       [](std::string_view, Options& o) {
         o.listen = o.check = true;
         return absl::OkStatus();
       }},
      {"check", Kind::toggle, "", "watch: fail if a watcher isn't told everything once and in order",
       [](std::string_view, Options& o) {
         o.check = true;
         return absl::OkStatus();
       }},
      {"attach", Kind::toggle, "", "put: key N belongs to lease N + 1, as lease-grant --sequential made them",
       [](std::string_view, Options& o) {
         o.attach = true;
         return absl::OkStatus();
       }},
      {"key-space", Kind::value, "N", "how many different keys (10000)",
       store_number(&Options::key_space, 1, kKeySpaceMax)},
      {"key-size", Kind::value, "BYTES", "length of a key (32)",
       store_number(&Options::key_bytes, kKeyBytesMin, kKeyBytesMax)},
      {"value-size", Kind::value, "BYTES", "length of a value (128)",
       store_number(&Options::value_bytes, 0, kValueBytesMax)},
      {"ttl", Kind::value, "SECONDS", "lease-grant: how long the leases live (3600)",
       store_number(&Options::ttl_seconds, 1, 9'000'000'000)},
      {"sequential", Kind::toggle, "", "keys one after the other instead of at random;\n                                    lease-grant: ids from 1 instead of the server's choice",
       [](std::string_view, Options& o) {
         o.order = KeyOrder::sequential;
         return absl::OkStatus();
       }},
      {"seed", Kind::value, "N", "of the random keys (1)", store_number(&Options::seed, 0, UINT64_MAX)},
      {"serializable", Kind::toggle, "", "range: what this member has, without asking the others",
       [](std::string_view, Options& o) {
         o.consistency = Consistency::serializable;
         return absl::OkStatus();
       }},
      {"cacert", Kind::value, "FILE", "TLS: trust servers with certificates of this CA",
       store_tls(&TlsFiles::ca)},
      {"cert", Kind::value, "FILE", "TLS: this client's certificate", store_tls(&TlsFiles::certificate)},
      {"key", Kind::value, "FILE", "TLS: this client's key", store_tls(&TlsFiles::key)},
      {"insecure-skip-tls-verify", Kind::toggle, "", "TLS: trust any server",
       [](std::string_view, Options& o) {
         if (!o.tls) o.tls.emplace();
         o.tls->skip_verification = true;
         return absl::OkStatus();
       }},
      {"folder", Kind::value, "PATH", "sync: where the file is written (.)",
       [](std::string_view text, Options& o) {
         o.folder = std::string(text);
         return absl::OkStatus();
       }},
      {"json", Kind::toggle, "", "print one JSON object",
       [](std::string_view, Options& o) {
         o.format = ReportFormat::json;
         return absl::OkStatus();
       }},
  };
  return table;
}

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : flags())
    if (flag.name == name) return &flag;
  return nullptr;
}

}  // namespace

std::string_view name_of(Operation operation) {
  for (const auto& [name, value] : kOperations)
    if (value == operation) return name;
  return "";
}

absl::StatusOr<CommandLine> parse(const std::vector<std::string>& arguments) {
  CommandLine line;
  std::optional<Operation> operation;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "-h" || argument == "--help" || argument == "help") {
      line.help = true;
      return line;
    }
    if (!argument.starts_with("--")) {
      if (operation) return wrong(fmt::format("one operation at a time, but there is \"{}\" too", argument));
      for (const auto& [name, value] : kOperations)
        if (name == argument) operation = value;
      if (!operation) return wrong(fmt::format("no operation \"{}\"", argument));
      continue;
    }
    argument.remove_prefix(2);
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const Flag* flag = find_flag(name);
    if (flag == nullptr) return wrong(fmt::format("no flag --{}", name));
    std::string_view value;
    if (equals != std::string_view::npos) {
      if (flag->kind == Flag::Kind::toggle) return wrong(fmt::format("--{} takes no value", name));
      value = argument.substr(equals + 1);
    } else if (flag->kind == Flag::Kind::value) {
      if (++i == arguments.size()) return wrong(fmt::format("--{} needs {}", name, flag->form));
      value = arguments[i];
    }
    if (absl::Status status = flag->take(value, line.options); !status.ok())
      return wrong(fmt::format("--{} {}: {}", name, value, message(status)));
  }
  if (!operation) return wrong("which operation?");
  line.options.operation = *operation;
  if (line.options.tls && line.options.tls->certificate.empty() != line.options.tls->key.empty())
    return wrong("--cert and --key go together");
  if (!line.options.requests && !line.options.duration) line.options.duration = std::chrono::seconds(5);
  line.options.threads = std::min(line.options.threads, line.options.connections);
  return line;
}

std::string usage() {
  std::string text =
      "holdfast-bench OPERATION [FLAGS]: load for a server that speaks etcd's API, and what came of it.\n\n"
      "  put       write keys\n"
      "  range     read one key\n"
      "  txn-put   write keys, each in a transaction\n"
      "  health    ask for the health: a call that does nothing\n"
      "  status    ask for the member's status\n"
      "  watch     put keys that are watched, and count the events\n"
      "  lease-grant       grant leases\n"
      "  lease-keep-alive  keep leases 1 to --key-space alive, which were granted before\n"
      "  sync      no server: write --value-size bytes and fdatasync, one after the other\n\n";
  for (const Flag& flag : flags())
    text += fmt::format("  {:<34}{}\n", fmt::format("--{} {}", flag.name, flag.form), flag.help);
  text += "\nExit status: 0, 1 if a call failed, 2 if the command line is wrong.\n";
  return text;
}

}  // namespace holdfast::bench
