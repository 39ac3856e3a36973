// An open file of a SimDisk, until a crash.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "sim/disk_errors.h"
#include "sim/sim_disk.h"

namespace holdfast::sim {

class SimFile final : public env::File {
 public:
  SimFile(SimDisk& disk, DiskNode::Pointer node, std::string path, bool writable,
          uint64_t generation)
      : disk_(disk),
        node_(std::move(node)),
        path_(std::move(path)),
        writable_(writable),
        generation_(generation) {}
  ~SimFile() override {
    std::lock_guard lock(disk_.mutex_);
    if (node_->lock_holder == this) node_->lock_holder = nullptr;
  }

  absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) override {
    if (absl::Status s = disk_.begin({DiskAction::read, path_, offset, size}); !s.ok()) return s;
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive("read"); !s.ok()) return s;
    if (disk_.strikes(disk_.faults_.read_error_ppm)) return io_error("read", path_);
    if (offset >= node_->size) return size_t{0};
    size = std::min<uint64_t>(size, node_->size - offset);
    node_->read(offset, buffer, size);
    return size;
  }

  absl::Status write_at(uint64_t offset, std::string_view data) override {
    if (absl::Status s = disk_.begin({DiskAction::write, path_, offset, data.size()}); !s.ok())
      return s;
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive("write"); !s.ok()) return s;
    if (!writable_)
      return failure(absl::StatusCode::kUnknown, "write", path_, "Bad file descriptor");
    if (disk_.strikes(disk_.faults_.write_error_ppm)) {
      // The kernel gives up between two pages, never within a sector.
      const uint64_t end = (offset + disk_.random_.below(data.size() + 1)) / kSectorBytes * kSectorBytes;
      if (end > offset) node_->write(offset, data.substr(0, end - offset));
      return io_error("write", path_);
    }
    const uint64_t room = disk_.room();
    const uint64_t end = offset + data.size();
    if (end > node_->size && end - node_->size > room) {
      const uint64_t limit = node_->size + room;
      const uint64_t fits = limit > offset ? std::min<uint64_t>(data.size(), limit - offset) : 0;
      node_->write(offset, data.substr(0, fits));
      return failure(absl::StatusCode::kResourceExhausted, "write", path_,
                     "No space left on device");
    }
    node_->write(offset, data);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> size() override {
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive("stat"); !s.ok()) return s;
    return node_->size;
  }

  absl::Status truncate(uint64_t size) override {
    if (absl::Status s = disk_.begin({DiskAction::truncate, path_, 0, size}); !s.ok()) return s;
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive("truncate"); !s.ok()) return s;
    node_->resize(size);
    return absl::OkStatus();
  }

  absl::Status preallocate(uint64_t size) override {
    if (absl::Status s = disk_.begin({DiskAction::preallocate, path_, 0, size}); !s.ok()) return s;
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive("fallocate"); !s.ok()) return s;
    if (size <= node_->size) return absl::OkStatus();
    if (size - node_->size > disk_.room())
      return failure(absl::StatusCode::kResourceExhausted, "fallocate", path_,
                     "No space left on device");
    node_->resize(size);
    return absl::OkStatus();
  }

  absl::Status sync() override { return persist("fsync"); }
  absl::Status sync_data() override { return persist("fdatasync"); }

  absl::Status try_lock() override {
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive("lock"); !s.ok()) return s;
    if (node_->lock_holder != nullptr && node_->lock_holder != this)
      return failure(absl::StatusCode::kUnavailable, "lock", path_, "file already locked");
    node_->lock_holder = this;
    return absl::OkStatus();
  }

  absl::Status settle() override {
    if (absl::Status s = persist("fsync"); !s.ok()) return s;
    std::lock_guard lock(disk_.mutex_);
    node_->drop_forgotten();
    return absl::OkStatus();
  }

 private:
  absl::Status alive(std::string_view operation) const {
    if (generation_ == disk_.generation_) return absl::OkStatus();
    return failure(absl::StatusCode::kUnavailable, operation, path_,
                   "opened before the crash");
  }

  absl::Status persist(std::string_view operation) {
    if (absl::Status s = disk_.begin({DiskAction::sync, path_, 0, 0}); !s.ok()) return s;
    std::lock_guard lock(disk_.mutex_);
    if (absl::Status s = alive(operation); !s.ok()) return s;
    if (disk_.loses_sync(node_)) return absl::OkStatus();
    if (disk_.strikes(disk_.faults_.sync_error_ppm)) {
      // The pages are clean now but never reached the disk; a later sync has nothing to write. They stay readable
      // until the crash, which forgets them.
      node_->forgotten_pages.merge(node_->dirty_pages);
      node_->dirty_pages.clear();
      return io_error(operation, path_);
    }
    disk_.under_way_ = SimDisk::Sync{.returns = disk_.returns(), .file = node_, .persisted = node_->persist()};
    if (disk_.lied_about_.erase(node_) != 0) disk_.under_way_->lied_before = node_;
    ++disk_.syncs_;
    return absl::OkStatus();
  }

  SimDisk& disk_;
  const DiskNode::Pointer node_;  // shared with the directory and other open files
  const std::string path_;
  const bool writable_;
  const uint64_t generation_;
};

}  // namespace holdfast::sim
