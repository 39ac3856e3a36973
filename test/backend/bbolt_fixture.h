// A file in memory, and states of the backend to write into it.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "backend/bbolt_reader.h"
#include "backend/bbolt_writer.h"
#include "backend/memory_engine.h"
#include "base/check.h"

namespace holdfast::backend {

class StringFile final : public env::File {
 public:
  explicit StringFile(std::string_view bytes) : bytes_(bytes) {}
  absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t n = std::min<size_t>(size, bytes_.size() - offset);
    std::memcpy(buffer, bytes_.data() + offset, n);
    return n;
  }
  absl::StatusOr<uint64_t> size() override { return bytes_.size(); }
  absl::Status write_at(uint64_t, std::string_view) override { return absl::UnknownError(""); }
  absl::Status truncate(uint64_t) override { return absl::UnknownError(""); }
  absl::Status preallocate(uint64_t) override { return absl::UnknownError(""); }
  absl::Status sync() override { return absl::OkStatus(); }
  absl::Status sync_data() override { return absl::OkStatus(); }
  absl::Status try_lock() override { return absl::OkStatus(); }

 private:
  const std::string_view bytes_;
};

inline absl::StatusOr<std::unique_ptr<BboltFile>> open_bbolt(std::string_view bytes) {
  return BboltFile::open(std::make_unique<StringFile>(bytes), "x.db");
}

using Contents = std::map<std::pair<std::string, std::string>, std::string>;  // bucket, key -> value

inline std::shared_ptr<MemoryImage> image_of(const Contents& contents) {
  auto image = std::make_shared<MemoryImage>();
  for (const auto& [at, value] : contents)
    for (const Bucket bucket : kBucketsByName)
      if (name(bucket) == at.first)
        image->state->buckets[static_cast<size_t>(bucket)][at.second] = value;
  return image;
}

// `chunk`: how much is asked for at once.
inline std::string write_bbolt(Engine::Reader& state, size_t chunk = 10'000) {
  BboltWriter writer(state);
  std::string bytes;
  std::string buffer(chunk, '\0');
  while (const size_t n = writer.read(buffer)) bytes.append(buffer, 0, n);
  CHECK(bytes.size() == writer.size());
  return bytes;
}

inline std::string write_bbolt(const Contents& contents, size_t chunk = 10'000) {
  auto engine = make_memory_engine(image_of(contents));
  auto reader = engine->make_reader();
  reader->begin();
  std::string bytes = write_bbolt(*reader, chunk);
  reader->end();
  return bytes;
}

inline absl::StatusOr<Contents> read_bbolt(std::string_view bytes) {
  auto file = open_bbolt(bytes);
  if (!file.ok()) return file.status();
  Contents contents;
  for (const Bucket bucket : kBucketsByName) {
    auto cursor = (*file)->cursor(bucket);
    if (!cursor.ok()) return cursor.status();
    while (true) {
      auto more = cursor->next();
      if (!more.ok()) return more.status();
      if (!*more) break;
      contents[{std::string(name(bucket)), std::string(cursor->key())}] = cursor->value();
    }
  }
  return contents;
}

}  // namespace holdfast::backend
