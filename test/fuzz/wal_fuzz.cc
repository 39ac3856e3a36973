// Any bytes as the only segment of a log, and as a snapshot file: no crash, no read beyond the input, and what the log
// accepts in one reading it accepts in two, and again after a repair, with at least the same entries.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "sim/sim_disk.h"
#include "test/wal/wal_fixture.h"
#include "wal/snap_file.h"
#include "wal/wal.h"

namespace {

using namespace holdfast;

void try_log(std::string_view bytes) {
  sim::SimDisk disk(1);
  wal::TestWorld test(disk);
  const wal::Options options{.segment_bytes = 4096};
  CHECK(disk.create_directories("/wal").ok());
  auto file = disk.open("/wal/" + wal::SegmentName{}.text(), env::OpenMode::create);
  CHECK(file.ok() && (*file)->write_at(0, bytes).ok());
  file->reset();
  wal::verify(test.world, "/wal", {}).IgnoreError();
  wal::valid_snapshot_entries(test.world, "/wal").IgnoreError();
  {
    const auto copy = disk.clone(1);
    const auto another = disk.clone(1);
    wal::TestWorld on_copy(*copy);
    wal::TestWorld on_another(*another);
    const auto once = wal::Wal::open_newest(on_copy.world, options, "/wal");
    const auto newest = wal::newest_snapshot_entry(on_another.world, "/wal");
    if (newest.ok()) {
      const auto twice = wal::Wal::open_repairing(on_another.world, options, "/wal", *newest);
      CHECK(once.ok() == twice.ok());
      CHECK(!once.ok() || once->contents.entries == twice->contents.entries);
    } else {
      CHECK(!once.ok());
    }
  }
  std::vector<raft::Entry> entries;
  {
    auto opened = wal::Wal::open_repairing(test.world, options, "/wal", {});
    if (!opened.ok()) return;
    entries = opened->contents.entries;
    const raft::Entry next = wal::entry(opened->wal->last_index().value + 1, UINT64_MAX, "x");
    CHECK(opened->wal->save(wal::state(1, 1, 1), {&next, 1}).ok());
  }
  const auto again = wal::Wal::open(test.world, options, "/wal", {});
  if (!again.ok()) {
    // Only where the index was not continued: a snapshot record beyond the entries, or entries before the first.
    CHECK(wal::fault_of(again.status()) == wal::Fault::slice_out_of_range);
    return;
  }
  CHECK(again->contents.entries.size() >= entries.size() ||
        again->contents.entries.back().data.view() == "x");
}

// The same bytes as the payload of well-formed records, which mutation alone would rarely make.
void try_payload(std::string_view bytes) {
  if (bytes.empty()) return;
  wal::RecordWriter writer;
  writer.put_crc();
  writer.put(wal::RecordType::metadata, "m");
  writer.put(wal::RecordType::snapshot, wal::encode(wal::SnapshotRecord{}));
  const auto type = static_cast<wal::RecordType>(1 + static_cast<uint8_t>(bytes[0]) % 5);
  writer.put(type, bytes.substr(1));
  try_log(writer.buffered());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size > 64 * 1024) return 0;
  try_log(bytes);
  try_payload(bytes);
  const auto snapshot = wal::decode_snapshot_file(bytes);
  if (snapshot.ok()) {
    const auto again = wal::decode_snapshot_file(wal::encode_snapshot_file(*snapshot));
    CHECK(again.ok() && *again == *snapshot);
  }
  return 0;
}
