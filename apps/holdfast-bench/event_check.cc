#include "apps/holdfast-bench/event_check.h"

#include <algorithm>

#include "base/wire.h"
#include "fmt/format.h"

namespace holdfast::bench {

namespace {

// Of WatchResponse, Event and KeyValue.
constexpr uint32_t kWatchId = 2, kEvents = 11;
constexpr uint32_t kType = 1, kPair = 2;
constexpr uint32_t kModRevision = 3, kVersion = 4;

}  // namespace

void EventCheck::Spread::add(const Spread& other) {
  watchers += other.watchers;
  least = std::min(least, other.least);
  most = std::max(most, other.most);
}

EventCheck::Spread EventCheck::spread() const {
  Spread spread;
  for (const auto& [id, watched] : watched_) spread.add({1, watched.events, watched.events});
  return spread;
}

std::optional<std::string> EventCheck::note(std::string_view response) {
  int64_t watch = 0;
  wire::Field field;
  for (wire::Reader reader(response); reader.next(field);)
    if (field.number == kWatchId) watch = field.as_int64();
  for (wire::Reader reader(response); reader.next(field);)
    if (field.number == kEvents)
      if (auto wrong = note_event(watch, field.bytes)) return wrong;
  return std::nullopt;
}

std::optional<std::string> EventCheck::note_event(int64_t watch, std::string_view event) {
  bool deleted = false;
  int64_t revision = 0, version = 0;
  wire::Field field;
  for (wire::Reader reader(event); reader.next(field);) {
    if (field.number == kType) deleted = field.varint == 1;
    if (field.number != kPair) continue;
    wire::Field part;
    for (wire::Reader pair(field.bytes); pair.next(part);) {
      if (part.number == kModRevision) revision = part.as_int64();
      if (part.number == kVersion) version = part.as_int64();
    }
  }
  Watched& watched = watched_[watch];
  if (revision <= watched.revision)
    return fmt::format("watcher {} was told revision {} after {}", watch, revision, watched.revision);
  watched.revision = revision;
  if (deleted) {
    ++ended_;
    watched.version = 0;
    return std::nullopt;
  }
  if (watched.events != 0 && version != watched.version + 1)
    return fmt::format("watcher {} was told version {} after {}", watch, version, watched.version);
  watched.version = version;
  ++watched.events;
  return std::nullopt;
}

}  // namespace holdfast::bench
