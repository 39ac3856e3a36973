#include "apps/holdfast-bench/disk.h"

#include "fmt/format.h"

namespace holdfast::bench {

namespace {

// As long as a segment of etcd's log; then from the front again.
constexpr uint64_t kFileBytes = 64 * 1024 * 1024;

}  // namespace

absl::StatusOr<Outcome> run_syncs(const Options& options, env::FileSystem& files, const env::Clock& clock) {
  const std::string path =
      fmt::format("{}/holdfast-bench-{}.sync", options.folder, clock.unix_nanoseconds());
  auto opened = files.open(path, env::OpenMode::create);
  if (!opened.ok()) return opened.status();
  env::File& file = **opened;
  Outcome outcome;
  const auto run = [&]() -> absl::Status {
    if (absl::Status s = file.preallocate(kFileBytes); !s.ok()) return s;
    if (absl::Status s = file.sync(); !s.ok()) return s;
    const std::string bytes(std::max<size_t>(options.value_bytes, 1), 'x');
    const env::Instant counted_from = clock.now() + options.warm_up;
    const env::Instant until = counted_from + options.duration.value_or(env::Duration(0));
    uint64_t at = 0;
    env::Instant before = clock.now();
    for (uint64_t n = 0; !options.requests || n < *options.requests; ++n) {
      if (options.duration && before >= until) break;
      if (at + bytes.size() > kFileBytes) at = 0;
      if (absl::Status s = file.write_at(at, bytes); !s.ok()) return s;
      if (absl::Status s = file.sync_data(); !s.ok()) return s;
      at += bytes.size();
      const env::Instant after = clock.now();
      if (before >= counted_from) {
        ++outcome.calls;
        outcome.latencies.add(after - before);
        outcome.took = after - counted_from;
      }
      before = after;
    }
    return absl::OkStatus();
  };
  const absl::Status status = run();
  files.remove(path).IgnoreError();
  if (!status.ok()) return status;
  return outcome;
}

}  // namespace holdfast::bench
