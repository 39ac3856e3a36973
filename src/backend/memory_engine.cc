#include "backend/memory_engine.h"

namespace holdfast::backend {
namespace {

using State = MemoryImage::State;

class MemoryEngine;

class MemoryReader : public Engine::Reader {
 public:
  explicit MemoryReader(const MemoryEngine& engine) : engine_(engine) {}

  void begin() override;
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
  const MemoryEngine& engine_;
  std::shared_ptr<State> state_;  // the snapshot, shared with the image until its next commit
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

  std::unique_ptr<Reader> make_reader() override { return std::make_unique<MemoryReader>(*this); }
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
  absl::StatusOr<std::unique_ptr<Engine>> make_successor() override {
    return std::make_unique<MemoryEngine>(std::make_shared<MemoryImage>());
  }
  absl::Status sync() override { return absl::OkStatus(); }
  absl::Status take_place_of(Engine& predecessor) override {
    auto& before = static_cast<MemoryEngine&>(predecessor);
    if (before.image_->before_commit) {
      if (absl::Status status = before.image_->before_commit(); !status.ok()) return status;
    }
    // The disk stays the same object and gets our state; the predecessor keeps its own apart.
    std::swap(image_->state, before.image_->state);
    std::swap(image_, before.image_);
    ++image_->commits;
    ++image_->successions;
    return absl::OkStatus();
  }
  void close() override {}
  const std::shared_ptr<State>& state() const { return image_->state; }

 private:
  std::shared_ptr<MemoryImage> image_;  // the simulator's disk
};

void MemoryReader::begin() { state_ = engine_.state(); }

}  // namespace

std::unique_ptr<Engine> make_memory_engine(std::shared_ptr<MemoryImage> image) {
  return std::make_unique<MemoryEngine>(std::move(image));
}

}  // namespace holdfast::backend
