#include "sim/sim_disk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "sim/sim_file.h"

namespace holdfast::sim {

namespace {

constexpr uint32_t kMillion = 1'000'000;

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

SimDisk::SimDisk(uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) {
  root_->directory = true;
}

SimDisk::~SimDisk() = default;

// Hook and latency run without the lock: they may look at the disk, or throw.
absl::Status SimDisk::begin(const DiskOperation& operation) {
  DiskHook hook;
  {
    std::lock_guard lock(mutex_);
    if (halted_) return make_status(absl::StatusCode::kUnavailable, "the process has ended");
    if (latency_) busy_.fetch_add(latency_(operation).count(), std::memory_order_relaxed);
    hook = hook_;
    if (operation.action != DiskAction::read && operation.action != DiskAction::list) under_way_.reset();
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

void SimDisk::set_entry(std::map<std::string, NodePointer>& entries, const Entry& entry) {
  if (entry.node) {
    entries[entry.name] = entry.node;
  } else {
    entries.erase(entry.name);
  }
}

void SimDisk::change_names(NameChange change) {
  for (const Entry& entry : change) set_entry(entry.directory->entries, entry);
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
  if (lied_about_.erase(node) != 0) under_way_->lied_before = node;
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
  std::vector<NameChange> left, kept;
  NameChange before;
  for (size_t i = 0; i < pending_names_.size(); ++i) {
    if (!chosen[i]) {
      left.push_back(std::move(pending_names_[i]));
      continue;
    }
    for (const Entry& e : pending_names_[i]) {
      auto& durable = e.directory->durable_entries;
      const auto was = durable.find(e.name);
      before.push_back({e.directory, e.name, was == durable.end() ? nullptr : was->second});
      set_entry(durable, e);
    }
    kept.push_back(std::move(pending_names_[i]));
  }
  pending_names_ = std::move(left);
  under_way_ = Sync{.returns = returns(), .changes = std::move(kept), .before = std::move(before)};
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

bool SimDisk::loses_sync(const NodePointer& node) {
  if (!strikes(faults_.lost_sync_ppm)) return false;
  lied_about_.insert(node);
  return true;
}

void SimDisk::write_back(env::Instant at) {
  std::lock_guard lock(mutex_);
  undo_sync(at);
  for (const NodePointer& node : lied_about_) node->directory ? commit_names(node.get()) : (void)node->persist();
  under_way_.reset();
  lied_about_.clear();
}

void SimDisk::halt() {
  std::lock_guard lock(mutex_);
  halted_ = true;
}

void SimDisk::crash(Unsynced unsynced, env::Instant at) {
  std::lock_guard lock(mutex_);
  halted_ = false;
  drop_handles();
  undo_sync(at);
  lied_about_.clear();
  // Sometimes all, sometimes nothing, mostly a mixture.
  crash_names(unsynced == Unsynced::gone ? 0 : random_.below(5));
  std::vector<Node*> reachable{root_.get()};
  while (!reachable.empty()) {
    Node& node = *reachable.back();
    reachable.pop_back();
    node.lock_holder = nullptr;
    if (!node.directory) {
      node.crash(random_, unsynced);
      continue;
    }
    node.entries = node.durable_entries;
    for (const auto& [name, child] : node.entries) reachable.push_back(child.get());
  }
}

void SimDisk::undo_sync(env::Instant not_returned_by) {
  if (!under_way_ || under_way_->returns <= not_returned_by) return under_way_.reset();
  Sync& sync = *under_way_;
  if (sync.file) sync.file->undo(sync.persisted);
  if (sync.lied_before) lied_about_.insert(sync.lied_before);
  for (auto entry = sync.before.rbegin(); entry != sync.before.rend(); ++entry)
    set_entry(entry->directory->durable_entries, *entry);
  pending_names_.insert(pending_names_.begin(), std::make_move_iterator(sync.changes.begin()),
                        std::make_move_iterator(sync.changes.end()));
  under_way_.reset();
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
    for (const Entry& e : change) set_entry(e.directory->durable_entries, e);
  }
  pending_names_.clear();
}

void SimDisk::drop_handles() { ++generation_; }

void SimDisk::end_process() {
  std::lock_guard lock(mutex_);
  halted_ = false;
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
  under_way_.reset();
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

void SimDisk::set_return_time(std::function<env::Instant()> returns) {
  std::lock_guard lock(mutex_);
  returns_ = std::move(returns);
}

void SimDisk::set_hook(DiskHook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

env::Duration SimDisk::take_busy_time() {
  // Asked after every task and before everything that a task posts: hardly ever was the disk in between.
  if (busy_.load(std::memory_order_relaxed) == 0) return env::Duration(0);
  return env::Duration(busy_.exchange(0, std::memory_order_relaxed));
}

void SimDisk::flip_bit(const std::string& path, uint64_t offset, int bit) {
  std::lock_guard lock(mutex_);
  const NodePointer node = find(path);
  CHECK(node && !node->directory && offset < node->size, "no byte {} in {}", offset, path);
  node->flip_bit(offset, bit);
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
