// Whether the watchers of one stream are told everything once and in order. Each watches one key, of which every event
// carries a version one above the one before; a deletion is the end of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace holdfast::bench {

class EventCheck {
 public:
  // A serialized WatchResponse. What is wrong with it, if anything is.
  std::optional<std::string> note(std::string_view response);
  // How many watchers have seen their key deleted.
  uint64_t ended() const { return ended_; }
  // The smallest and largest number of events of a watcher that was told any, and how many those are.
  struct Spread {
    uint64_t watchers = 0, least = UINT64_MAX, most = 0;
    void add(const Spread& other);
  };
  Spread spread() const;

 private:
  struct Watched {
    int64_t revision = 0;
    int64_t version = 0;
    uint64_t events = 0;
  };
  std::optional<std::string> note_event(int64_t watch, std::string_view event);

  std::unordered_map<int64_t, Watched> watched_;
  uint64_t ended_ = 0;
};

}  // namespace holdfast::bench
