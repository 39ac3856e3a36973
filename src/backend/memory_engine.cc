#include "backend/memory_engine.h"

namespace holdfast::backend {
namespace {

using State = MemoryImage::State;

class MemoryReader : public Engine::Reader {
 public:
  explicit MemoryReader(std::shared_ptr<MemoryImage> image) : image_(std::move(image)) {}

  void begin() override { state_ = image_->state; }
  void end() override { state_.reset(); }
  bool get(Bucket bucket, std::string_view key, std::string_view& value) override {
    const auto& map = state_->buckets[static_cast<size_t>(bucket)];
    auto it = map.find(key);
    if (it == map.end()) return false;
    value = it->second;
    return true;
  }
  void scan(Bucket bucket, std::string_view from, std::string_view to, Visitor visit) override {
    const auto& map = state_->buckets[static_cast<size_t>(bucket)];
    for (auto it = map.lower_bound(from); it != map.end() && (to.empty() || it->first < to); ++it)
      if (!visit(it->first, it->second)) return;
  }
  void scan_back(Bucket bucket, std::string_view before, Visitor visit) override {
    const auto& map = state_->buckets[static_cast<size_t>(bucket)];
    auto it = before.empty() ? map.end() : map.lower_bound(before);
    while (it != map.begin()) {
      --it;
      if (!visit(it->first, it->second)) return;
    }
  }

 private:
  std::shared_ptr<MemoryImage> image_;  // the simulator's disk
  std::shared_ptr<State> state_;        // the snapshot, shared with the image until its next commit
};

class MemoryWriter : public Engine::Writer {
 public:
  explicit MemoryWriter(State& state) : state_(state) {}

  void put(Bucket bucket, std::string_view key, std::string_view value) override {
    auto& map = state_.buckets[static_cast<size_t>(bucket)];
    auto it = map.lower_bound(key);
    if (it == map.end() || it->first != key) {
      it = map.emplace_hint(it, key, "");
      state_.bytes += static_cast<int64_t>(key.size());
    }
    state_.bytes += static_cast<int64_t>(value.size()) - static_cast<int64_t>(it->second.size());
    it->second = value;
  }
  void erase(Bucket bucket, std::string_view key) override {
    auto& map = state_.buckets[static_cast<size_t>(bucket)];
    auto it = map.find(key);
    if (it == map.end()) return;
    state_.bytes -= static_cast<int64_t>(it->first.size() + it->second.size());
    map.erase(it);
  }

 private:
  State& state_;
};

class MemoryEngine : public Engine {
 public:
  explicit MemoryEngine(std::shared_ptr<MemoryImage> image) : image_(std::move(image)) {}

  std::unique_ptr<Reader> make_reader() override { return std::make_unique<MemoryReader>(image_); }
  absl::Status commit(absl::FunctionRef<void(Writer&)> fill) override {
    if (image_->before_commit) {
      if (absl::Status status = image_->before_commit(); !status.ok()) return status;
    }
    // A reader that holds the state keeps it as it is.
    if (image_->state.use_count() > 1) image_->state = std::make_shared<State>(*image_->state);
    MemoryWriter writer(*image_->state);
    fill(writer);
    ++image_->commits;
    return absl::OkStatus();
  }
  EngineSizes sizes() override { return {image_->state->bytes, image_->state->bytes}; }
  absl::Status defragment() override { return absl::OkStatus(); }
  void expect_scan() override {}
  void release_pages() override {}
  void close() override {}

 private:
  const std::shared_ptr<MemoryImage> image_;  // the simulator's disk
};

}  // namespace

std::unique_ptr<Engine> make_memory_engine(std::shared_ptr<MemoryImage> image) {
  return std::make_unique<MemoryEngine>(std::move(image));
}

}  // namespace holdfast::backend
