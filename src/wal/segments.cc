#include "wal/segments.h"

#include <algorithm>
#include <charconv>

#include "fmt/format.h"
#include "wal/fault.h"

namespace holdfast::wal {

std::string SegmentName::text() const {
  return fmt::format("{:016x}-{:016x}.wal", sequence, first_index.value);
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
  constexpr size_t kDigits = 16;
  if (name.size() != 2 * kDigits + 5 || name[kDigits] != '-' || name.substr(33) != ".wal")
    return std::nullopt;
  const auto number = [&](size_t from) -> std::optional<uint64_t> {
    uint64_t value = 0;
    const char* end = name.data() + from + kDigits;
    const auto [stop, error] = std::from_chars(name.data() + from, end, value, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
  };
  const auto sequence = number(0);
  const auto index = number(kDigits + 1);
  if (!sequence || !index) return std::nullopt;
  return SegmentName{*sequence, Index(*index)};
}

absl::StatusOr<std::vector<SegmentName>> list_segments(env::FileSystem& files, Logger& logger,
                                                       const std::string& directory) {
  const auto names = files.list(directory);
  if (!names.ok()) return names.status();
  std::vector<SegmentName> segments;
  for (const std::string& name : *names) {
    if (const auto segment = parse_segment_name(name)) {
      segments.push_back(*segment);
    } else if (!name.ends_with(".tmp")) {
      logger.warn("ignored file in WAL directory", {{"path", name}});
    }
  }
  if (segments.empty())
    return fault_status(Fault::file_not_found, fmt::format("wal: file not found in {}", directory));
  return segments;  // list() sorts by name, and names have fixed width
}

std::vector<SegmentName> newest_run(std::vector<SegmentName> segments) {
  for (size_t i = segments.size(); i > 1; --i) {
    if (segments[i - 1].sequence == segments[i - 2].sequence + 1) continue;
    segments.erase(segments.begin(), segments.begin() + static_cast<ptrdiff_t>(i - 1));
    break;
  }
  return segments;
}

absl::StatusOr<std::vector<SegmentName>> segments_from(env::FileSystem& files, Logger& logger,
                                                       const std::string& directory, Index index) {
  auto all = list_segments(files, logger, directory);
  if (!all.ok()) return all.status();
  const auto last = std::find_if(all->rbegin(), all->rend(),
                                 [&](const SegmentName& s) { return s.first_index <= index; });
  if (last == all->rend()) {
    return fault_status(Fault::file_not_found,
                        fmt::format("wal: file not found which matches the snapshot index '{}'",
                                    index.value));
  }
  const size_t start = static_cast<size_t>(all->rend() - last) - 1;
  for (size_t i = start + 1; i < all->size(); ++i) {
    if ((*all)[i].sequence == (*all)[i - 1].sequence + 1) continue;
    return fault_status(
        Fault::not_continuous,
        fmt::format("wal: file sequence numbers (starting from {}) do not increase continuously: "
                    "{} follows {} in {}",
                    start, (*all)[i].text(), (*all)[i - 1].text(), directory));
  }
  return std::vector<SegmentName>(all->begin() + static_cast<ptrdiff_t>(start), all->end());
}

absl::Status SegmentPreparer::make() {
  const std::string path = fmt::format("{}/{}.tmp", directory_, made_ % 2);
  // What a crash left under the name may hold bytes; start from nothing.
  if (const absl::Status status = files_.remove(path); !status.ok() && !absl::IsNotFound(status))
    return status;
  auto file = files_.open(path, env::OpenMode::create);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->try_lock();
  if (status.ok()) status = (*file)->preallocate(segment_bytes_);
  if (!status.ok()) {
    files_.remove(path).IgnoreError();
    return status;
  }
  ++made_;
  prepared_ = Prepared{*std::move(file), path};
  return absl::OkStatus();
}

absl::Status SegmentPreparer::prepare() {
  std::lock_guard lock(mutex_);
  if (closed_ || prepared_) return absl::OkStatus();
  return make();
}

bool SegmentPreparer::ready() const {
  // Busy making one counts as ready: asking again would be in vain.
  std::unique_lock lock(mutex_, std::try_to_lock);
  return !lock.owns_lock() || prepared_.has_value() || closed_;
}

absl::StatusOr<SegmentPreparer::Prepared> SegmentPreparer::take() {
  std::lock_guard lock(mutex_);
  if (!prepared_) {
    const absl::Status status = make();
    if (!status.ok()) return status;
  }
  Prepared taken = *std::move(prepared_);
  prepared_.reset();
  return taken;
}

void SegmentPreparer::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  if (!prepared_) return;
  files_.remove(prepared_->path).IgnoreError();
  prepared_.reset();
}

absl::Status settle_tail(env::FileSystem& files, Logger& logger, const std::string& directory) {
  const auto names = list_segments(files, logger, directory);
  if (!names.ok()) return names.status();
  if (names->empty()) return absl::OkStatus();
  auto tail = files.open(directory + "/" + names->back().text(), env::OpenMode::read);
  return tail.ok() ? (*tail)->settle() : tail.status();
}

}  // namespace holdfast::wal
