#include "sim/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"

namespace holdfast::sim {

namespace {

constexpr uint32_t kMillion = 1'000'000;

absl::Status failure(absl::StatusCode code, std::string_view operation, std::string_view path,
                     std::string_view reason) {
  return make_status(code, fmt::format("{} {}: {}", operation, path, reason));
}
absl::Status not_found(std::string_view operation, std::string_view path) {
  return failure(absl::StatusCode::kNotFound, operation, path, "No such file or directory");
}
absl::Status io_error(std::string_view operation, std::string_view path) {
  return failure(absl::StatusCode::kDataLoss, operation, path, "Input/output error");
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  size_t from = 0;
  while (from < path.size()) {
    const size_t slash = std::min(path.find('/', from), path.size());
    if (slash > from) parts.push_back(path.substr(from, slash - from));
    from = slash + 1;
  }
  return parts;
}

}  // namespace

// A file or a directory. Pages that are absent, or behind the end of the vector, are zero.
struct SimDisk::Node {
  bool directory = false;
  std::map<std::string, NodePointer> entries;
  std::map<std::string, NodePointer> durable_entries;

  uint64_t size = 0;
  uint64_t durable_size = 0;
  std::vector<PagePointer> pages;
  std::vector<PagePointer> durable_pages;
  std::set<uint64_t> dirty_pages;      // where the two may differ
  std::set<uint64_t> forgotten_pages;  // differ too, but a sync failed and will not write them again

  const void* lock_holder = nullptr;

  static const PagePointer& page(const std::vector<PagePointer>& pages, uint64_t i) {
    static const PagePointer kZero;
    return i < pages.size() ? pages[i] : kZero;
  }
  // A page of `pages` that nobody shares.
  static Page& own_page(std::vector<PagePointer>& pages, uint64_t i) {
    if (i >= pages.size()) pages.resize(i + 1);
    PagePointer& page = pages[i];
    if (!page) {
      page = std::make_shared<Page>(kPageBytes, '\0');
    } else if (page.use_count() > 1) {
      page = std::make_shared<Page>(*page);
    }
    return *page;
  }
  void read(uint64_t offset, char* out, size_t n) const {
    while (n > 0) {
      const size_t in_page = offset % kPageBytes;
      const size_t chunk = std::min<size_t>(n, kPageBytes - in_page);
      const PagePointer& p = page(pages, offset / kPageBytes);
      if (p) {
        std::memcpy(out, p->data() + in_page, chunk);
      } else {
        std::memset(out, 0, chunk);
      }
      out += chunk;
      offset += chunk;
      n -= chunk;
    }
  }
  void persist() {
    for (const uint64_t i : dirty_pages) {
      if (i >= durable_pages.size()) {
        if (!page(pages, i)) continue;
        durable_pages.resize(i + 1);
      }
      durable_pages[i] = page(pages, i);
    }
    dirty_pages.clear();
    durable_size = size;
  }
};

class SimFile final : public env::File {
 public:
  SimFile(SimDisk& disk, SimDisk::NodePointer node, std::string path, bool writable,
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
      if (end > offset) SimDisk::write_bytes(*node_, offset, data.substr(0, end - offset));
      return io_error("write", path_);
    }
    const uint64_t room = disk_.room();
    const uint64_t end = offset + data.size();
    if (end > node_->size && end - node_->size > room) {
      const uint64_t limit = node_->size + room;
      const uint64_t fits = limit > offset ? std::min<uint64_t>(data.size(), limit - offset) : 0;
      SimDisk::write_bytes(*node_, offset, data.substr(0, fits));
      return failure(absl::StatusCode::kResourceExhausted, "write", path_,
                     "No space left on device");
    }
    SimDisk::write_bytes(*node_, offset, data);
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
    SimDisk::resize(*node_, size);
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
    SimDisk::resize(*node_, size);
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
    SimDisk::drop_forgotten(*node_);
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
    node_->persist();
    disk_.lied_about_.erase(node_);
    ++disk_.syncs_;
    return absl::OkStatus();
  }

  SimDisk& disk_;
  const SimDisk::NodePointer node_;  // shared with the directory and other open files
  const std::string path_;
  const bool writable_;
  const uint64_t generation_;
};

SimDisk::SimDisk(uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) {
  root_->directory = true;
}

SimDisk::~SimDisk() = default;

// Hook and latency run without the lock: they may look at the disk, or throw.
absl::Status SimDisk::begin(const DiskOperation& operation) {
  DiskHook hook;
  {
    std::lock_guard lock(mutex_);
    if (latency_) busy_ += latency_(operation);
    hook = hook_;
  }
  return hook ? hook(operation) : absl::OkStatus();
}

bool SimDisk::strikes(uint32_t ppm) { return ppm != 0 && random_.chance(ppm, kMillion); }

SimDisk::NodePointer SimDisk::find(const std::string& path) const {
  NodePointer node = root_;
  for (const std::string& part : split(path)) {
    const auto it = node->entries.find(part);
    if (it == node->entries.end()) return nullptr;
    node = it->second;
  }
  return node;
}

SimDisk::NodePointer SimDisk::parent_of(const std::string& path, std::string& name) const {
  std::vector<std::string> parts = split(path);
  if (parts.empty()) return nullptr;
  name = std::move(parts.back());
  parts.pop_back();
  NodePointer node = root_;
  for (const std::string& part : parts) {
    const auto it = node->entries.find(part);
    if (it == node->entries.end() || !it->second->directory) return nullptr;
    node = it->second;
  }
  return node;
}

void SimDisk::change_names(NameChange change) {
  for (const Entry& entry : change) {
    if (entry.node) {
      entry.directory->entries[entry.name] = entry.node;
    } else {
      entry.directory->entries.erase(entry.name);
    }
  }
  pending_names_.push_back(std::move(change));
}

absl::StatusOr<std::unique_ptr<env::File>> SimDisk::open(const std::string& path,
                                                         env::OpenMode mode) {
  if (absl::Status s = begin({DiskAction::open, path}); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  std::string name;
  const NodePointer parent = parent_of(path, name);
  if (!parent) return not_found("open", path);
  const auto it = parent->entries.find(name);
  NodePointer node = it == parent->entries.end() ? nullptr : it->second;
  if (node && mode == env::OpenMode::create)
    return failure(absl::StatusCode::kAlreadyExists, "open", path, "File exists");
  if (node && node->directory)
    return failure(absl::StatusCode::kUnknown, "open", path, "Is a directory");
  if (!node) {
    if (mode == env::OpenMode::read || mode == env::OpenMode::read_write)
      return not_found("open", path);
    node = std::make_shared<Node>();
    change_names({{parent, name, node}});
  }
  return std::make_unique<SimFile>(*this, std::move(node), path, mode != env::OpenMode::read,
                                   generation_);
}

absl::Status SimDisk::rename(const std::string& from, const std::string& to) {
  if (absl::Status s = begin({DiskAction::rename, from}); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  std::string from_name, to_name;
  const NodePointer from_parent = parent_of(from, from_name);
  const NodePointer to_parent = parent_of(to, to_name);
  if (!from_parent || !to_parent || !from_parent->entries.contains(from_name))
    return not_found("rename", from);
  const NodePointer node = from_parent->entries[from_name];
  const auto target = to_parent->entries.find(to_name);
  if (target != to_parent->entries.end()) {
    if (target->second == node) return absl::OkStatus();
    if (target->second->directory &&
        (!node->directory || !target->second->entries.empty()))
      return failure(absl::StatusCode::kAlreadyExists, "rename", to, "Directory not empty");
  }
  change_names({{from_parent, from_name, nullptr}, {to_parent, to_name, node}});
  return absl::OkStatus();
}

absl::Status SimDisk::remove(const std::string& path) {
  if (absl::Status s = begin({DiskAction::remove, path}); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  std::string name;
  const NodePointer parent = parent_of(path, name);
  if (!parent || !parent->entries.contains(name)) return not_found("remove", path);
  if (!parent->entries[name]->entries.empty())
    return failure(absl::StatusCode::kAlreadyExists, "remove", path, "Directory not empty");
  change_names({{parent, name, nullptr}});
  return absl::OkStatus();
}

absl::Status SimDisk::remove_all(const std::string& path) {
  std::vector<std::string> children;
  {
    std::lock_guard lock(mutex_);
    const NodePointer node = find(path);
    if (!node) return absl::OkStatus();
    for (const auto& [name, child] : node->entries) children.push_back(name);
  }
  for (const std::string& child : children) {
    if (absl::Status s = remove_all(path + "/" + child); !s.ok()) return s;
  }
  const absl::Status status = remove(path);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status SimDisk::create_directories(const std::string& path) {
  if (absl::Status s = begin({DiskAction::create_directory, path}); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  NodePointer node = root_;
  for (const std::string& part : split(path)) {
    if (!node->entries.contains(part)) {
      auto made = std::make_shared<Node>();
      made->directory = true;
      change_names({{node, part, made}});
    }
    node = node->entries[part];
    if (!node->directory)
      return failure(absl::StatusCode::kAlreadyExists, "mkdir", path, "File exists");
  }
  return absl::OkStatus();
}

absl::Status SimDisk::sync_directory(const std::string& path) {
  if (absl::Status s = begin({DiskAction::sync_directory, path}); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  const NodePointer node = find(path);
  if (!node || !node->directory) return not_found("fsync", path);
  if (loses_sync(node)) return absl::OkStatus();
  if (strikes(faults_.sync_error_ppm)) return io_error("fsync", path);
  commit_names(node.get());
  lied_about_.erase(node);
  ++syncs_;
  return absl::OkStatus();
}

// Makes durable the changes that touch `directory`, and those before them that touch the same names.
void SimDisk::commit_names(const Node* directory) {
  std::set<std::pair<const Node*, std::string>> needed;
  std::vector<bool> chosen(pending_names_.size(), false);
  for (size_t i = pending_names_.size(); i-- > 0;) {
    const NameChange& change = pending_names_[i];
    const bool touches = std::any_of(change.begin(), change.end(), [&](const Entry& e) {
      return e.directory.get() == directory || needed.contains({e.directory.get(), e.name});
    });
    if (!touches) continue;
    chosen[i] = true;
    for (const Entry& e : change) needed.insert({e.directory.get(), e.name});
  }
  std::vector<NameChange> left;
  for (size_t i = 0; i < pending_names_.size(); ++i) {
    if (!chosen[i]) {
      left.push_back(std::move(pending_names_[i]));
      continue;
    }
    for (const Entry& e : pending_names_[i]) {
      if (e.node) {
        e.directory->durable_entries[e.name] = e.node;
      } else {
        e.directory->durable_entries.erase(e.name);
      }
    }
  }
  pending_names_ = std::move(left);
}

absl::StatusOr<std::vector<std::string>> SimDisk::list(const std::string& path) {
  if (absl::Status s = begin({DiskAction::list, path}); !s.ok()) return s;
  std::lock_guard lock(mutex_);
  const NodePointer node = find(path);
  if (!node || !node->directory) return not_found("list", path);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->entries) names.push_back(name);
  return names;
}

absl::StatusOr<bool> SimDisk::exists(const std::string& path) {
  std::lock_guard lock(mutex_);
  return find(path) != nullptr;
}

absl::StatusOr<bool> SimDisk::is_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  const NodePointer node = find(path);
  return node && node->directory;
}

void SimDisk::write_bytes(Node& node, uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  node.size = std::max(node.size, offset + data.size());
  while (!data.empty()) {
    const uint64_t i = offset / kPageBytes;
    const size_t in_page = offset % kPageBytes;
    const size_t chunk = std::min<size_t>(data.size(), kPageBytes - in_page);
    std::memcpy(Node::own_page(node.pages, i).data() + in_page, data.data(), chunk);
    node.dirty_pages.insert(i);
    data.remove_prefix(chunk);
    offset += chunk;
  }
}

void SimDisk::resize(Node& node, uint64_t size) {
  if (size < node.size) {
    const uint64_t first_gone = (size + kPageBytes - 1) / kPageBytes;
    for (uint64_t i = first_gone; i < node.pages.size(); ++i) {
      if (node.pages[i]) node.dirty_pages.insert(i);
    }
    if (first_gone < node.pages.size()) node.pages.resize(first_gone);
    if (size % kPageBytes != 0 && Node::page(node.pages, size / kPageBytes)) {
      Page& last = Node::own_page(node.pages, size / kPageBytes);
      std::memset(last.data() + size % kPageBytes, 0, kPageBytes - size % kPageBytes);
      node.dirty_pages.insert(size / kPageBytes);
    }
  }
  node.size = size;
}

bool SimDisk::loses_sync(const NodePointer& node) {
  if (!strikes(faults_.lost_sync_ppm)) return false;
  lied_about_.insert(node);
  return true;
}

void SimDisk::write_back() {
  std::lock_guard lock(mutex_);
  for (const NodePointer& node : lied_about_) node->directory ? commit_names(node.get()) : node->persist();
  lied_about_.clear();
}

void SimDisk::crash(Unsynced unsynced) {
  std::lock_guard lock(mutex_);
  drop_handles();
  lied_about_.clear();
  // Sometimes all, sometimes nothing, mostly a mixture.
  crash_names(unsynced == Unsynced::gone ? 0 : random_.below(5));
  std::vector<Node*> reachable{root_.get()};
  while (!reachable.empty()) {
    Node& node = *reachable.back();
    reachable.pop_back();
    node.lock_holder = nullptr;
    if (!node.directory) {
      crash_contents(node, random_, unsynced);
      continue;
    }
    node.entries = node.durable_entries;
    for (const auto& [name, child] : node.entries) reachable.push_back(child.get());
  }
}

// Each pending change is kept or lost by chance; one that touches a name of a lost change is lost with it.
void SimDisk::crash_names(uint64_t keep_of_four) {
  std::set<std::pair<const Node*, std::string>> lost;
  for (const NameChange& change : pending_names_) {
    const bool depends = std::any_of(change.begin(), change.end(), [&](const Entry& e) {
      return lost.contains({e.directory.get(), e.name});
    });
    if (depends || !random_.chance(keep_of_four, 4)) {
      for (const Entry& e : change) lost.insert({e.directory.get(), e.name});
      continue;
    }
    for (const Entry& e : change) {
      if (e.node) {
        e.directory->durable_entries[e.name] = e.node;
      } else {
        e.directory->durable_entries.erase(e.name);
      }
    }
  }
  pending_names_.clear();
}

// Pages that a failed sync called clean show what is on the disk again.
void SimDisk::drop_forgotten(Node& node) {
  for (const uint64_t i : node.forgotten_pages) {
    if (node.dirty_pages.contains(i)) continue;
    if (i < node.pages.size() || i < node.durable_pages.size()) {
      if (i >= node.pages.size()) node.pages.resize(i + 1);
      node.pages[i] = Node::page(node.durable_pages, i);
    }
  }
  node.forgotten_pages.clear();
}

void SimDisk::crash_contents(Node& node, Random& random, Unsynced unsynced) {
  drop_forgotten(node);

  const bool gone = unsynced == Unsynced::gone;
  const uint64_t keep_of_four = gone ? 0 : random.below(5);
  for (const uint64_t i : node.dirty_pages) {
    const PagePointer before = Node::page(node.durable_pages, i);
    const PagePointer after = Node::page(node.pages, i);
    Page merged(kPageBytes, '\0');
    for (uint64_t at = 0; at < kPageBytes; at += kSectorBytes) {
      const PagePointer& source = random.chance(keep_of_four, 4) ? after : before;
      if (source) merged.replace(at, kSectorBytes, *source, at, kSectorBytes);
    }
    Node::own_page(node.pages, i) = std::move(merged);
  }
  if (node.size != node.durable_size) {
    const auto [low, high] = std::minmax(node.size, node.durable_size);
    switch (gone ? 3 : random.below(3)) {
      case 3:
        node.size = node.durable_size;
        break;
      case 0:
        node.size = low;
        break;
      case 1:
        node.size = high;
        break;
      default:
        node.size = std::min(high, (low + random.below(high - low + 1)) / kSectorBytes * kSectorBytes);
        node.size = std::max(node.size, low);
        break;
    }
    const uint64_t size = node.size;
    node.size = high;
    resize(node, size);
  }
  for (uint64_t i = 0; i < std::max(node.pages.size(), node.durable_pages.size()); ++i)
    if (Node::page(node.pages, i) != Node::page(node.durable_pages, i)) node.dirty_pages.insert(i);
  node.persist();
}

void SimDisk::drop_handles() { ++generation_; }

void SimDisk::end_process() {
  std::lock_guard lock(mutex_);
  drop_handles();
  std::vector<Node*> reachable{root_.get()};
  while (!reachable.empty()) {
    Node& node = *reachable.back();
    reachable.pop_back();
    node.lock_holder = nullptr;
    for (const auto& [name, child] : node.entries) reachable.push_back(child.get());
  }
}

std::unique_ptr<SimDisk> SimDisk::clone(uint64_t seed) const {
  std::lock_guard lock(mutex_);
  auto copy = std::make_unique<SimDisk>(seed);
  std::map<const Node*, NodePointer> copies;
  const std::function<NodePointer(const NodePointer&)> copy_node =
      [&](const NodePointer& node) -> NodePointer {
    if (!node) return nullptr;
    if (const auto it = copies.find(node.get()); it != copies.end()) return it->second;
    auto made = std::make_shared<Node>(*node);
    made->lock_holder = nullptr;
    copies[node.get()] = made;
    for (auto& [name, child] : made->entries) child = copy_node(child);
    for (auto& [name, child] : made->durable_entries) child = copy_node(child);
    return made;
  };
  copy->root_ = copy_node(root_);
  for (const NameChange& change : pending_names_) {
    NameChange copied;
    for (const Entry& e : change)
      copied.push_back({copy_node(e.directory), e.name, copy_node(e.node)});
    copy->pending_names_.push_back(std::move(copied));
  }
  return copy;
}

void SimDisk::wipe() {
  std::lock_guard lock(mutex_);
  drop_handles();
  pending_names_.clear();
  lied_about_.clear();
  root_ = std::make_shared<Node>();
  root_->directory = true;
}

void SimDisk::set_faults(const DiskFaults& faults) {
  std::lock_guard lock(mutex_);
  faults_ = faults;
}

void SimDisk::set_latency(DiskLatency latency) {
  std::lock_guard lock(mutex_);
  latency_ = std::move(latency);
}

void SimDisk::set_hook(DiskHook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

env::Duration SimDisk::take_busy_time() {
  std::lock_guard lock(mutex_);
  return std::exchange(busy_, env::Duration(0));
}

void SimDisk::flip_bit(const std::string& path, uint64_t offset, int bit) {
  std::lock_guard lock(mutex_);
  const NodePointer node = find(path);
  CHECK(node && !node->directory && offset < node->size, "no byte {} in {}", offset, path);
  const uint64_t i = offset / kPageBytes;
  const bool same = Node::page(node->pages, i) == Node::page(node->durable_pages, i);
  char& byte = Node::own_page(node->pages, i)[offset % kPageBytes];
  byte = static_cast<char>(byte ^ (1 << bit));
  if (same) {
    if (i >= node->durable_pages.size()) node->durable_pages.resize(i + 1);
    node->durable_pages[i] = node->pages[i];
  } else {
    char& durable = Node::own_page(node->durable_pages, i)[offset % kPageBytes];
    durable = static_cast<char>(durable ^ (1 << bit));
  }
}

std::vector<std::string> SimDisk::files_under(const std::string& directory) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> files;
  const std::function<void(const Node&, const std::string&)> walk = [&](const Node& node,
                                                                        const std::string& path) {
    for (const auto& [name, child] : node.entries) {
      const std::string child_path = path + "/" + name;
      if (child->directory) {
        walk(*child, child_path);
      } else {
        files.push_back(child_path);
      }
    }
  };
  const NodePointer start = find(directory);
  if (start) walk(*start, directory == "/" ? "" : directory);
  std::sort(files.begin(), files.end());
  return files;
}

uint64_t SimDisk::used() const {
  uint64_t total = 0;
  std::vector<const Node*> reachable{root_.get()};
  while (!reachable.empty()) {
    const Node& node = *reachable.back();
    reachable.pop_back();
    total += node.size;
    for (const auto& [name, child] : node.entries) reachable.push_back(child.get());
  }
  return total;
}

uint64_t SimDisk::room() const {
  if (faults_.capacity_bytes == UINT64_MAX) return UINT64_MAX / 2;
  const uint64_t used_now = used();
  return used_now >= faults_.capacity_bytes ? 0 : faults_.capacity_bytes - used_now;
}

uint64_t SimDisk::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used();
}

uint64_t SimDisk::syncs() const {
  std::lock_guard lock(mutex_);
  return syncs_;
}

}  // namespace holdfast::sim
