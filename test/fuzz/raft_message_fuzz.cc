// What members send one another, and what stands in logs and snapshots: any bytes are either
// refused or understood, and what is understood survives being written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "raft/codec.h"
#include "raft/describe.h"

using namespace holdfast::raft;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto message = decode_message(bytes); message.ok()) {
    const auto again = decode_message(encoded(*message));
    CHECK(again.ok() && *again == *message);
    (void)describe(*message);
  }
  if (const auto entry = decode_entry(bytes); entry.ok()) {
    CHECK(encoded(*entry).size() == encoded_size(*entry));
    CHECK(*decode_entry(encoded(*entry)) == *entry);
  }
  if (const auto snapshot = decode_snapshot(bytes); snapshot.ok())
    CHECK(*decode_snapshot(encoded(*snapshot)) == *snapshot);
  if (const auto state = decode_hard_state(bytes); state.ok())
    CHECK(*decode_hard_state(encoded(*state)) == *state);
  if (const auto change = decode_conf_change(bytes); change.ok())
    CHECK(*decode_conf_change(encoded(*change)) == *change);
  if (const auto change = decode_conf_change_v2(bytes); change.ok())
    CHECK(*decode_conf_change_v2(encoded(*change)) == *change);
  return 0;
}
