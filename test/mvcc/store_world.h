// A store over a backend in virtual time, that can be crashed and opened again.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/memory_engine.h"
#include "gtest/gtest.h"
#include "mvcc/store.h"
#include "test/backend/test_world.h"

namespace holdfast::mvcc {

class RecordedLeases : public LeaseAttacher {
 public:
  void attach(LeaseId lease, std::string_view key) override {
    EXPECT_TRUE(attached.emplace(key, lease).second) << key << " is attached twice";
  }
  void detach(LeaseId lease, std::string_view key) override {
    auto it = attached.find(key);
    ASSERT_NE(it, attached.end());
    EXPECT_EQ(it->second, lease);
    attached.erase(it);
  }
  LeaseId lease_of(std::string_view key) const override {
    auto it = attached.find(key);
    return it == attached.end() ? LeaseId(0) : it->second;
  }
  std::map<std::string, LeaseId, std::less<>> attached;
};

struct StoreWorld : backend::TestWorld {
  StoreOptions options;
  backend::BackendOptions backend_options;
  std::shared_ptr<backend::MemoryImage> image = std::make_shared<backend::MemoryImage>();
  std::unique_ptr<backend::Backend> backend;
  RecordedLeases leases;
  std::unique_ptr<Store> store;

  void open_backend(std::unique_ptr<backend::Engine> engine) {
    backend = std::make_unique<backend::Backend>(std::move(engine), backend_options,
                                                 backend_environment());
  }
  absl::Status open_store() {
    leases.attached.clear();
    auto opened = Store::open(*backend, leases, options, {background, metrics, log});
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }
  void open() {
    open_backend(backend::make_memory_engine(image));
    const absl::Status status = open_store();
    ASSERT_TRUE(status.ok()) << status;
  }
  void close() {
    crash();
    store.reset();
    backend.reset();
  }
  // One entry with one change.
  Revision put(std::string_view key, std::string_view value, int64_t lease = 0) {
    WriteTxn txn = store->write();
    return txn.put(key, value, LeaseId(lease));
  }
  int64_t erase(std::string_view key, std::string_view end = {}) {
    WriteTxn txn = store->write();
    return txn.delete_range(key, end);
  }
  // As text: "key=value(created,modified,version) ".
  std::string text(std::string_view key, std::string_view end = {}, RangeOptions range = {}) {
    ReadTxn txn = store->read();
    return text(txn, key, end, range);
  }
  static std::string text(TxnRead& txn, std::string_view key, std::string_view end,
                          RangeOptions range) {
    auto result = txn.range(key, end, range);
    if (!result.ok()) return std::string(result.status().message());
    std::string text;
    for (const KeyValue& kv : result->pairs)
      text += kv.key + "=" + kv.value + "(" + std::to_string(kv.create_revision.value) + "," +
              std::to_string(kv.mod_revision.value) + "," + std::to_string(kv.version) + ") ";
    return text + "#" + std::to_string(result->count) + "@" +
           std::to_string(result->revision.value);
  }
  // Compacts and waits until everything is deleted.
  absl::Status compact(int64_t revision) {
    bool done = false;
    absl::Status status = store->compact(Revision(revision), [&] { done = true; });
    backend->entry_boundary();
    for (int i = 0; i < 10'000 && !done; ++i) pass(std::chrono::milliseconds(10));
    EXPECT_TRUE(done || !status.ok());
    return status;
  }
  size_t records() const { return image->state->buckets[0].size(); }
};

}  // namespace holdfast::mvcc
