// holdfastutl: work on the files of a member that does not run. --help says how.
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "apps/holdfastutl/arguments.h"
#include "apps/holdfastutl/console.h"
#include "apps/holdfastutl/data_dir.h"
#include "apps/holdfastutl/hash_kv.h"
#include "apps/holdfastutl/migrate.h"
#include "apps/holdfastutl/snapshot_restore.h"
#include "apps/holdfastutl/snapshot_status.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/version.h"
#include "server/member_info.h"

namespace {

using namespace holdfast;

constexpr std::string_view kUsage = R"(Usage:
  holdfastutl snapshot status FILE                    check a snapshot and say what it holds
  holdfastutl snapshot restore FILE [FLAGS]           make the data directory of a member of a new cluster of it
      --name, --initial-cluster, --initial-cluster-token, --initial-advertise-peer-urls   as the member will be started with
      --data-dir, --wal-dir                           where; the default is NAME.etcd
      --skip-hash-check                               FILE is a database, not a snapshot that a server sent
      --bump-revision N --mark-compacted              raise the revision, so that clients never see it fall
  holdfastutl hashkv FILE [--rev N]                   the hash of the keys, to be compared between members
  holdfastutl defrag --data-dir DIR                   rewrite the backend without its free pages
  holdfastutl migrate --data-dir DIR [--wal-dir DIR]  give the directory back to etcd
  holdfastutl version
  -w, --write-out simple|fields|json|table            how to print
The member must not run. A data directory of etcd needs nothing: holdfast takes it over when it starts there.
)";

// etcdutl's.
constexpr int kExitError = 1;
constexpr int kExitUsage = 2;
constexpr int kExitBadFormat = 4;
constexpr int kExitBadArguments = 128;

template <class Answer>
absl::Status print(utl::Format format, const absl::StatusOr<Answer>& answer) {
  if (answer.ok()) fmt::print("{}", utl::render(format, utl::values_of(*answer)));
  return answer.status();
}

// Nothing if it is no command.
std::optional<absl::Status> run(const utl::Line& line, utl::Format format) {
  utl::Console console;
  const std::vector<std::string>& words = line.words;
  const auto command = [&](std::string_view first, std::string_view second = "") {
    return words.size() > (second.empty() ? 0 : 1) && words[0] == first && (second.empty() || words[1] == second);
  };
  const auto needs_file = [&](size_t at, std::string_view name) {
    if (words.size() == at + 1) return absl::OkStatus();
    return make_status(absl::StatusCode::kInvalidArgument, fmt::format("{} requires exactly one argument", name));
  };
  if (command("snapshot", "status")) {
    if (absl::Status s = needs_file(2, "snapshot status"); !s.ok()) return s;
    return print(format, utl::snapshot_status(console, words[2]));
  }
  if (command("snapshot", "restore")) {
    if (absl::Status s = needs_file(2, "snapshot restore"); !s.ok()) return s;
    utl::RestoreOptions options = line.restore;
    options.file = words[2];
    options.dir = line.dir;
    return utl::restore_snapshot(console, std::move(options));
  }
  if (command("hashkv")) {
    if (absl::Status s = needs_file(1, "hashkv"); !s.ok()) return s;
    return print(format, utl::hash_kv(console, words[1], line.revision));
  }
  if (command("version")) {
    const auto api = membership::parse_version(server::kEtcdVersion);
    fmt::print("holdfastutl version: {}\nAPI version: {}\n", HOLDFAST_VERSION, api->major_minor());
    return absl::OkStatus();
  }
  if (words.size() != 1 || line.dir.path.empty()) return std::nullopt;
  if (command("defrag")) return utl::defragment(console, line.dir);
  if (command("migrate")) return utl::migrate_to_etcd(console, line.dir);
  return std::nullopt;
}

int fail(int code, std::string_view why) {
  fmt::print(stderr, "Error: {}\n", why);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    fmt::print("{}", kUsage);
    return 0;
  }
  const auto line = utl::parse_arguments(arguments);
  if (!line.ok()) {
    fail(kExitError, message(line.status()));
    fmt::print(stderr, "{}", kUsage);
    return kExitUsage;
  }
  const auto format = utl::parse_format(line->format);
  if (!format)
    return fail(kExitBadFormat, line->format == "protobuf" ? "protobuf not supported as output format"
                                                           : "unsupported output format");
  const auto status = run(*line, *format);
  if (!status) {
    fmt::print(stderr, "{}", kUsage);
    return kExitUsage;
  }
  if (status->ok()) return 0;
  return fail(absl::IsInvalidArgument(*status) ? kExitBadArguments : kExitError, message(*status));
}
