#include "mvcc/watch_responses.h"

#include <utility>

#include "base/wire.h"

namespace holdfast::mvcc {
namespace {

// Lists whose body is remembered: so many different groups of watchers a transaction or a slice of history has rarely.
constexpr size_t kListsMax = 64;

constexpr uint32_t kPrevKv = 3;  // of Event

size_t bytes_field_size(size_t size) { return 1 + wire::varint_size(size) + size; }

}  // namespace

WatchResponses::WatchResponses(const WatchEvents& events, size_t first, size_t count, Header header,
                               FindPair find_pair)
    : events_(events), first_(first), count_(count), header_(header), find_pair_(std::move(find_pair)) {}

const std::string& WatchResponses::previous_of(uint32_t event) {
  if (previous_.empty()) previous_.resize(count_);
  Previous& previous = previous_[event - first_];
  if (!std::exchange(previous.known, true) && !events_[event].created) {
    // The pair before: as it was one revision earlier.
    const Revision at = events_.revision_of(event) - 1;
    previous.encoded = find_pair_(events_.key(events_[event]), at);
  }
  return previous.encoded;
}

size_t WatchResponses::framed_size(uint32_t event, PreviousPairs previous) {
  size_t size = events_[event].body_size;
  if (previous == PreviousPairs::yes)
    if (const std::string& pair = previous_of(event); !pair.empty()) size += bytes_field_size(pair.size());
  return bytes_field_size(size);
}

void WatchResponses::append_event(std::string& out, uint32_t event, PreviousPairs previous) {
  const std::string* pair = previous == PreviousPairs::yes ? &previous_of(event) : nullptr;
  if (pair == nullptr || pair->empty()) {
    out.append(events_.framed(event, event));
    return;
  }
  const std::string_view body = events_.body(events_[event]);
  wire::Writer writer(out);
  writer.tag(watch_field::kEvents, wire::Type::bytes);
  writer.varint(body.size() + bytes_field_size(pair->size()));
  out.append(body);
  writer.put_bytes(kPrevKv, *pair);
}

SharedBytes WatchResponses::build(std::span<const uint32_t> list, PreviousPairs previous) {
  built_.clear();
  header_(built_, list);
  if (previous == PreviousPairs::no && list.back() - list.front() + 1 == list.size())
    return SharedBytes::concat(built_, events_.framed(list.front(), list.back()));
  for (const uint32_t event : list) append_event(built_, event, previous);
  return SharedBytes(built_);
}

SharedBytes WatchResponses::body(std::span<const uint32_t> list, PreviousPairs previous) {
  Bodies& bodies = bodies_[previous == PreviousPairs::yes];
  if (list.size() == 1) {
    if (bodies.of_one.empty()) bodies.of_one.resize(count_);
    SharedBytes& known = bodies.of_one[list[0] - first_];
    if (known.is_nil()) known = build(list, previous);
    return known;
  }
  std::vector<uint32_t> key(list.begin(), list.end());
  if (const auto found = bodies.of_many.find(key); found != bodies.of_many.end()) return found->second;
  SharedBytes made = build(list, previous);
  if (bodies.of_many.size() < kListsMax) bodies.of_many.emplace(std::move(key), made);
  return made;
}

void WatchResponses::fragments(std::span<const uint32_t> list, PreviousPairs previous, size_t id_size,
                               size_t bytes_max, absl::FunctionRef<void(SharedBytes)> send) {
  constexpr char kMore[] = {watch_field::kFragment << 3, 1};
  std::string header;
  header_(header, list);
  size_t at = 0;
  while (at < list.size()) {
    const size_t first = at;
    size_t size = id_size + header.size() + sizeof kMore;
    std::string events;
    while (at < list.size()) {
      size += framed_size(list[at], previous);
      if (at > first && size >= bytes_max) break;
      append_event(events, list[at], previous);
      ++at;
    }
    const std::string_view more(kMore, at < list.size() ? sizeof kMore : 0);
    send(SharedBytes::concat(header, more, events));
  }
}

}  // namespace holdfast::mvcc
