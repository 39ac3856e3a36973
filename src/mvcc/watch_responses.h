// Serialized etcdserverpb.WatchResponse messages with events, built once for all watchers that get the same ones. What
// differs between them is the watch id, a few bytes in front; the rest (header and events) is one shared block. Private
// to mvcc/.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "base/shared_bytes.h"
#include "mvcc/watch_events.h"

namespace holdfast::mvcc {

// Field numbers of WatchResponse.
namespace watch_field {
inline constexpr uint32_t kWatchId = 2, kCreated = 3, kCanceled = 4, kCompactRevision = 5, kCancelReason = 6,
                          kFragment = 7, kEvents = 11;
}

enum class PreviousPairs : uint8_t { no, yes };

class WatchResponses {
 public:
  // The stored pair of a key at a revision, as encoded; empty if there is none to be had any more (WAT-13).
  using FindPair = std::function<std::string(std::string_view key, Revision at)>;
  // Appends field 1 of a response with these events. Outlives this.
  using Header = absl::FunctionRef<void(std::string& out, std::span<const uint32_t> list)>;
  // For `count` of the events, from `first` on; they outlive this.
  WatchResponses(const WatchEvents& events, size_t first, size_t count, Header header, FindPair find_pair);

  // Everything but the watch id of a response with these events (indices, ascending).
  SharedBytes body(std::span<const uint32_t> list, PreviousPairs previous);
  // The same cut into pieces as etcd's sendFragments does: a piece with more than one event stays below `bytes_max`,
  // together with `id_size` bytes in front of it.
  void fragments(std::span<const uint32_t> list, PreviousPairs previous, size_t id_size, size_t bytes_max,
                 absl::FunctionRef<void(SharedBytes)> send);

 private:
  struct Bodies {
    std::vector<SharedBytes> of_one;  // by event, from first_ on
    absl::flat_hash_map<std::vector<uint32_t>, SharedBytes> of_many;
  };
  const std::string& previous_of(uint32_t event);
  size_t framed_size(uint32_t event, PreviousPairs previous);
  void append_event(std::string& out, uint32_t event, PreviousPairs previous);
  SharedBytes build(std::span<const uint32_t> list, PreviousPairs previous);

  const WatchEvents& events_;
  const size_t first_;
  const size_t count_;
  const Header header_;
  const FindPair find_pair_;
  Bodies bodies_[2];  // without and with previous pairs
  std::string built_;  // what is being built; kept for its memory
  struct Previous {
    bool known = false;
    std::string encoded;
  };
  std::vector<Previous> previous_;  // by event, from first_ on
};

}  // namespace holdfast::mvcc
