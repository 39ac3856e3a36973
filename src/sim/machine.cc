#include "sim/machine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/cluster.h"
#include "server/snapshot_import.h"
#include "sim/remote_calls.h"
#include "sim/snapshot_stream.h"

namespace holdfast::sim {

namespace {
constexpr std::string_view kPowerCut = "power cut";
// A process that was told that its member was removed goes on for so long.
constexpr env::Duration kStopAfterRemoval = std::chrono::milliseconds(500);

// Nobody has a name that is not an address.
class Addresses : public env::NameResolver {
 public:
  absl::StatusOr<std::vector<std::string>> addresses(const std::string& host) override {
    return std::vector<std::string>{host};
  }
  absl::StatusOr<std::vector<Service>> services(const std::string&) override { return absl::NotFoundError("no DNS"); }
};
Addresses addresses;

MemberId founder_id(const server::MemberConfig& config) {
  const auto founders = membership::founding_members(config.initial_cluster, config.initial_cluster_token);
  CHECK(founders.ok());
  for (const membership::Member& m : *founders)
    if (m.name == config.name) return m.id;
  return {};
}
}  // namespace

// What a member sends, onto the network.
class Machine::Link : public server::Peers {
 public:
  Link(Machine& machine, SimProcess& process) : machine_(machine), process_(process) {}
  void send(std::vector<raft::Message> messages) override {
    for (raft::Message& m : messages)
      if (known_.contains(m.to)) machine_.world_.network.send(machine_.address_, std::move(m), process_.effect_time());
  }
  void send_snapshot(server::OutgoingSnapshot snapshot) override {
    ++machine_.snapshots_sent_;
    const MemberId to = snapshot.message.to;
    Machine* target = known_.contains(to) ? machine_.world_.find(to) : nullptr;
    if (target == nullptr) {
      machine_.member_->report_unreachable(to);
      return machine_.member_->report_snapshot(to, raft::SnapshotStatus::failed);
    }
    std::erase_if(streams_, [](const auto& stream) { return stream->over(); });
    if (streams_.size() >= server::kSnapshotsInFlightMax)
      machine_.world_.violation(fmt::format("{} sends {} snapshots at once", machine_.name(), streams_.size() + 1));
    streams_.push_back(std::make_shared<SnapshotStream>(machine_.world_.scheduler, machine_.world_.network, machine_,
                                                        *target, std::move(snapshot), machine_.snapshot_piece_bytes_));
    streams_.back()->start();
  }
  // The process has ended.
  void give_up() {
    for (const auto& stream : streams_) stream->give_up();
  }
  // The network knows the way to everybody, but only those are sent to whom the member has named.
  void add(MemberId id, const std::vector<std::string>&) override { known_.insert(id); }
  void add_remote(MemberId id, const std::vector<std::string>&) override { known_.insert(id); }
  void remove(MemberId id) override {
    known_.erase(id);
    for (const auto& stream : streams_)
      if (stream->to_member() == id) stream->cut();
  }
  void update(MemberId, const std::vector<std::string>&) override {}
  void remove_all() override {
    known_.clear();
    for (const auto& stream : streams_) stream->cut();
  }
  // As if there were a connection whenever there can be one.
  env::Instant active_since(MemberId id) const override {
    const Machine* other = known_.contains(id) ? machine_.world_.find(id) : nullptr;
    if (other == nullptr || !other->serving()) return {};
    SimNetwork& network = machine_.world_.network;
    if (network.blocked(machine_.address_, other->address_) || network.blocked(other->address_, machine_.address_))
      return {};
    const env::Instant both_run = std::max(machine_.started_at_, other->started_at_);
    return machine_.clock_.now() - (machine_.world_.scheduler.now() - both_run);
  }

 private:
  Machine& machine_;
  SimProcess& process_;
  std::set<MemberId> known_;
  std::vector<std::shared_ptr<SnapshotStream>> streams_;  // shared with what is on its way
};

Machine::Machine(World world, Address address, Role role, server::MemberConfig config, Wiring wiring,
                 size_t snapshot_piece_bytes)
    : world_(std::move(world)),
      address_(address),
      config_(std::move(config)),
      wiring_(wiring),
      snapshot_piece_bytes_(snapshot_piece_bytes),
      clock_(world_.scheduler),
      disk_(world_.scheduler.random().next()),
      image_(std::make_shared<backend::MemoryImage>()),
      id_(role == Role::founder ? founder_id(config_) : MemberId{}),
      in_cluster_(role == Role::founder) {}

Machine::~Machine() { crash(Loss::process); }

void Machine::join(MemberId id) {
  CHECK(down() && !in_cluster_);
  in_cluster_ = true;
  id_ = id;
  ++lives_;
  invariants_ = {};
  told_ = false;
  config_.initial_cluster_state = server::ClusterState::existing;
}

void Machine::leave() {
  CHECK(down() && in_cluster_);
  in_cluster_ = false;
  id_ = {};
  disk_.wipe();
  disk_.set_faults({});
  installed_before_ += image_->successions;
  image_ = std::make_shared<backend::MemoryImage>();
}

void Machine::start() {
  CHECK(process_ == nullptr && in_cluster_);
  ++starts_;
  started_at_ = world_.scheduler.now();
  metrics_.clear();
  died_joining_ = false;
  started_ = stopping_ = false;
  process_ = std::make_unique<SimProcess>(world_.scheduler, clock_,
                                          SimProcess::Options{world_.scheduler.random().next()});
  disk_.set_return_time([this] { return process_ != nullptr ? process_->effect_time() : world_.scheduler.now(); });
  process_->set_busy_time([this] { return disk_.take_busy_time(); });
  process_->set_after_task([this](SimExecutor& e) { inspect(e); });
  process_->on_death([this](std::string message) {
    // Not from here: the executor that ran the fatal task is still on the stack.
    world_.scheduler.after(env::Duration(0), [this, start = starts_, message = std::move(message)] {
      if (start != starts_ || process_ == nullptr) return;
      died_joining_ = member_ == nullptr && finder_ != nullptr;
      end(message == kPowerCut ? Loss::power : Loss::process);
      world_.ended(*this, message);
    });
  });
  raft_ = &process_->add_executor("raft");
  const auto executor = [&](const char* name, bool shares) -> SimExecutor& {
    return shares ? *raft_ : process_->add_executor(name);
  };
  const bool all = wiring_ == Wiring::all_share;
  SimExecutor& log = executor("log", wiring_ != Wiring::five_executors);
  apply_ = &executor("apply", all);
  SimExecutor& backend = executor("backend", all);
  background_ = &executor("background", all);
  rpc_ = &process_->add_executor("rpc");
  link_ = std::make_unique<Link>(*this, *process_);
  calls_ = std::make_unique<RemoteCalls>(world_.scheduler, world_.network, *this, world_.find_url);
  executors_ = std::make_unique<server::Member::Executors>(
      server::Member::Executors{*raft_, log, *apply_, backend, *background_, {background_}});
  apply_->post([this] { open(); });
}

absl::StatusOr<std::unique_ptr<backend::Engine>> Machine::open_engine(const std::string& path) {
  // The image is the database; the file stands for it in the directory.
  auto file = disk_.open(path, env::OpenMode::create_or_open);
  if (!file.ok()) return file.status();
  auto engine = backend::make_memory_engine(image_);
  world_.configurations.restarted(id_, server::consistent_index_of(*engine));
  return engine;
}

void Machine::open() {
  if (config_.initial_cluster_state == server::ClusterState::existing && !server::Member::has_log(disk_, config_))
    return find_cluster();
  open_member({});
}

void Machine::find_cluster() {
  config_.initial_cluster = world_.initial_cluster();
  finder_ = std::make_unique<server::ClusterFinder>(
      server::ClusterFinder::Parts{*background_, calls_.get(), addresses, nullptr, world_.log}, config_);
  finder_->find([this](absl::StatusOr<server::ClusterOrigin> origin) {
    if (!origin.ok()) process_->die(fmt::format("does not start: {}", message(origin.status())));
    // A member that lags behind may still list who was at this address before, whose disk is gone: nobody's id is used
    // twice.
    if (origin->self != id_) process_->die(fmt::format("does not start: {:x} is listed", origin->self.value));
    apply_->post([this, origin = *std::move(origin)]() mutable { open_member(std::move(origin)); });
  });
}

void Machine::open_member(std::optional<server::ClusterOrigin> origin) {
  const server::Member::World world{clock_,        process_->random(), disk_,     *process_,
                                    process_->faults(), metrics_,      world_.log};
  auto opened = server::Member::open(config_, world, *executors_,
                                     [this](const std::string& path) { return open_engine(path); },
                                     {*link_, calls_.get(), calls_.get()}, std::move(origin));
  if (!opened.ok()) process_->die(fmt::format("does not start: {}", message(opened.status())));
  member_ = *std::move(opened);
  raft_changes_.reset();
  const MemberId self = member_->info().member_id();
  if (self != id_) world_.violation(fmt::format("{} is {:x} instead of {:x}", name(), self.value, id_.value));
  if (!config_.corruption_checks.initial) return take_part();
  member_->check_for_corruption([this](const absl::Status& status) {
    if (!status.ok()) process_->die(fmt::format("does not start: {}", message(status)));
    take_part();
  });
}

void Machine::take_part() {
  started_ = true;
  world_.network.attach(
      id_, address_,
      {[this](raft::Message m) { receive(std::move(m)); },
       [this](MemberId to) { member_->report_unreachable(to); }});
  member_->start({.ready = [] {}, .removed = [this] { told_of_removal(); }});
}

void Machine::receive(raft::Message message) {
  if (!member_->info().cluster()->is_removed(message.from)) {
    // Whoever sends tells where it is (RAFT-23).
    link_->add_remote(message.from, {});
    return member_->receive(std::move(message));
  }
  // Refused at the door, and told why (RAFT-07).
  Machine* sender = world_.find(message.from);
  if (sender == nullptr) return;
  world_.network.carry(address_, sender->address_, 64, world_.scheduler.now(),
                       [sender, start = sender->starts_] {
                         if (sender->starts_ == start) sender->told_of_removal();
                       },
                       [] {});
}

void Machine::told_of_removal() {
  if (std::exchange(told_, true)) return;
  world_.scheduler.after(kStopAfterRemoval, [this, start = starts_] {
    if (start == starts_) stop();
  });
}

void Machine::inspect(const SimExecutor& executor) {
  if (member_ == nullptr) return;
  const raft::Raft& raft = member_->node().raft();
  // Most tasks of an executor that raft shares have nothing to do with it.
  if (&executor == raft_ && raft_changes_ != raft.changes()) {
    raft_changes_ = raft.changes();
    absl::Status status = invariants_.check(raft);
    if (status.ok()) status = world_.cluster_invariants.check(raft);
    if (status.ok()) status = world_.configurations.check(raft);
    if (!status.ok()) world_.violation(fmt::format("raft of {}: {}", name(), message(status)));
  }
  if (&executor == apply_) world_.applied(*this);
}

void Machine::stop() {
  if (!serving()) return;
  stopping_ = true;
  member_->stop([this, start = starts_] {
    world_.scheduler.after(env::Duration(0), [this, start] {
      if (start == starts_ && process_ != nullptr) end(Loss::process);
    });
  });
}

void Machine::crash_at_disk_operation(uint64_t nth) {
  CHECK(nth > 0);
  disk_operations_left_ = nth;
  disk_.set_hook([this](const DiskOperation&) {
    if (process_ != nullptr && --disk_operations_left_ == 0) process_->die(kPowerCut);
    return absl::OkStatus();
  });
}

void Machine::crash(Loss loss) {
  if (process_ != nullptr) end(loss);
}

size_t Machine::deepest_queue() const {
  return process_ == nullptr ? deepest_queue_ : std::max(deepest_queue_, process_->deepest_queue());
}

void Machine::end(Loss loss) {
  process_->kill();
  disk_.halt();
  const env::Instant at = process_->ended_at();
  link_->give_up();
  world_.network.detach(id_, at);
  deepest_queue_ = deepest_queue();
  disk_.set_hook(nullptr);
  member_.reset();
  finder_.reset();
  calls_.reset();
  link_.reset();
  executors_.reset();
  process_.reset();
  invariants_.restarted();
  if (loss != Loss::process) {
    if (loss == Loss::power) disk_.write_back(at);
    disk_.crash(loss == Loss::cache ? SimDisk::Unsynced::gone : SimDisk::Unsynced::kept_in_part, at);
  } else {
    disk_.end_process();
    if (world_.refuses) world_.refuses(*this);
  }
  (void)disk_.take_busy_time();
}

}  // namespace holdfast::sim
