#include "sim/machine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "membership/initial_cluster.h"
#include "sim/snapshot_stream.h"

namespace holdfast::sim {

namespace {
constexpr std::string_view kPowerCut = "power cut";

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
      machine_.world_.network.send(machine_.address_, std::move(m), process_.effect_time());
  }
  void send_snapshot(server::OutgoingSnapshot snapshot) override {
    ++machine_.snapshots_sent_;
    const MemberId to = snapshot.message.to;
    Machine* target = machine_.world_.find(to);
    if (target == nullptr) {
      machine_.member_->report_unreachable(to);
      return machine_.member_->report_snapshot(to, raft::SnapshotStatus::failed);
    }
    std::erase_if(streams_, [](const auto& stream) { return stream->over(); });
    streams_.push_back(std::make_shared<SnapshotStream>(machine_.world_.scheduler, machine_.world_.network, machine_,
                                                        *target, std::move(snapshot), machine_.snapshot_piece_bytes_));
    streams_.back()->start();
  }
  // The process has ended.
  void give_up() {
    for (const auto& stream : streams_) stream->give_up();
  }
  // The network knows everybody.
  void add(MemberId, const std::vector<std::string>&) override {}
  void remove(MemberId id) override {
    for (const auto& stream : streams_)
      if (stream->to_member() == id) stream->cut();
  }
  void update(MemberId, const std::vector<std::string>&) override {}
  void remove_all() override {
    for (const auto& stream : streams_) stream->cut();
  }
  env::Instant active_since(MemberId) const override { return {1}; }

 private:
  Machine& machine_;
  SimProcess& process_;
  std::vector<std::shared_ptr<SnapshotStream>> streams_;  // shared with what is on its way
};

Machine::Machine(World world, Address address, server::MemberConfig config, Wiring wiring, size_t snapshot_piece_bytes)
    : world_(std::move(world)),
      address_(address),
      config_(std::move(config)),
      wiring_(wiring),
      snapshot_piece_bytes_(snapshot_piece_bytes),
      clock_(world_.scheduler),
      disk_(world_.scheduler.random().next()),
      image_(std::make_shared<backend::MemoryImage>()),
      id_(founder_id(config_)) {}

Machine::~Machine() { crash(Loss::process); }

void Machine::start() {
  CHECK(process_ == nullptr);
  ++starts_;
  stopping_ = false;
  process_ = std::make_unique<SimProcess>(world_.scheduler, clock_,
                                          SimProcess::Options{world_.scheduler.random().next()});
  process_->set_busy_time([this] { return disk_.take_busy_time(); });
  process_->set_after_task([this](SimExecutor& e) { inspect(e); });
  process_->on_death([this](std::string message) {
    // Not from here: the executor that ran the fatal task is still on the stack.
    world_.scheduler.after(env::Duration(0), [this, start = starts_, message = std::move(message)] {
      if (start != starts_ || process_ == nullptr) return;
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
  executors_ = std::make_unique<server::Member::Executors>(
      server::Member::Executors{*raft_, log, *apply_, backend, *background_});
  apply_->post([this] { open(); });
}

absl::StatusOr<std::unique_ptr<backend::Engine>> Machine::open_engine(const std::string& path) {
  // The image is the database; the file stands for it in the directory.
  auto file = disk_.open(path, env::OpenMode::create_or_open);
  if (!file.ok()) return file.status();
  return backend::make_memory_engine(image_);
}

void Machine::open() {
  const server::Member::World world{clock_,        process_->random(), disk_,     *process_,
                                    process_->faults(), metrics_,      world_.log};
  auto opened = server::Member::open(config_, world, *executors_,
                                     [this](const std::string& path) { return open_engine(path); },
                                     {*link_, nullptr});
  if (!opened.ok()) process_->die(fmt::format("does not start: {}", message(opened.status())));
  member_ = *std::move(opened);
  world_.network.attach(
      id_, address_,
      {[this](raft::Message m) { member_->receive(std::move(m)); },
       [this](MemberId to) { member_->report_unreachable(to); }});
  member_->start({.ready = [] {}, .removed = [] {}});
}

void Machine::inspect(const SimExecutor& executor) {
  if (member_ == nullptr) return;
  if (&executor == raft_) {
    const raft::Raft& raft = member_->node().raft();
    absl::Status status = invariants_.check(raft);
    if (status.ok()) status = world_.cluster_invariants.check(raft);
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
  link_->give_up();
  world_.network.detach(id_);
  deepest_queue_ = deepest_queue();
  disk_.set_hook(nullptr);
  member_.reset();
  link_.reset();
  executors_.reset();
  process_.reset();
  invariants_.restarted();
  if (loss == Loss::power) {
    disk_.crash();
  } else {
    disk_.end_process();
  }
  (void)disk_.take_busy_time();
}

}  // namespace holdfast::sim
