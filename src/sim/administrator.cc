#include "sim/administrator.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr env::Duration kTick = milliseconds(200);
// A request is answered by then, or never: ReqTimeout and the way, several times.
constexpr env::Duration kAnswerMax = seconds(30);
// What is proposed but not committed when everything is well again shows by then.
constexpr env::Duration kQuiet = seconds(3);
// Of a machine that is made ready, or taken out.
constexpr int64_t kHandlingMax = 4'000'000'000;

}  // namespace

Administrator::Administrator(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines, const Knobs& knobs,
                             Logger& log)
    : scheduler_(scheduler), machines_(machines), knobs_(knobs), log_(log), random_(scheduler.random().fork()) {
  for (const auto& machine : machines_)
    if (machine->in_cluster()) begun_.insert(machine->id());
}

void Administrator::start() {
  if (knobs_.between_changes.count() == 0) return;
  tick();
}

void Administrator::finish() {
  over_ = true;
  unsettled_ = scheduler_.now();
}

bool Administrator::settled() const {
  return knobs_.between_changes.count() == 0 || (under_way_ == 0 && scheduler_.now() - unsettled_ > kQuiet);
}

Administrator::View Administrator::view() const {
  View best;
  Index applied;
  for (const auto& machine : machines_) {
    if (!machine->serving()) continue;
    const server::MemberInfo& info = machine->member().info();
    if (best != nullptr && info.applied() <= applied) continue;
    best = info.cluster();
    applied = info.applied();
  }
  return best;
}

Machine* Administrator::machine_of(MemberId id) const {
  for (const auto& machine : machines_)
    if (machine->in_cluster() && machine->id() == id) return machine.get();
  return nullptr;
}

Machine* Administrator::machine_at(const std::vector<std::string>& urls) const {
  for (const auto& machine : machines_)
    if (!urls.empty() && machine->peer_url() == urls.front()) return machine.get();
  return nullptr;
}

membership::InitialCluster Administrator::initial_cluster() const {
  membership::InitialCluster cluster;
  const View seen = view();
  if (seen == nullptr) return cluster;
  for (const auto& [id, member] : seen->members())
    if (const Machine* machine = machine_at(member.peer_urls)) cluster[machine->name()] = member.peer_urls;
  return cluster;
}

void Administrator::tick() {
  if (const View cluster = view()) {
    reconcile(*cluster);
    // Without a cluster version nobody can join, and who was added alone may keep it from being decided, as etcd's do.
    if (!over_ && cluster->version() && scheduler_.now() >= next_change_) {
      next_change_ = scheduler_.now() +
                     env::Duration(random_.between(100'000'000, 2 * knobs_.between_changes.count()));
      change(*cluster);
    }
  }
  scheduler_.after(kTick, [this] { tick(); });
}

void Administrator::reconcile(const membership::Cluster& cluster) {
  for (const auto& [id, member] : cluster.members()) {
    if (machine_of(id) != nullptr || begun_.contains(id)) continue;
    unsettled_ = scheduler_.now();
    Machine* machine = machine_at(member.peer_urls);
    // Another member's still: it has to be taken out first.
    if (machine != nullptr && !machine->in_cluster()) begin(*machine, id);
  }
  for (const auto& machine : machines_) {
    if (!machine->in_cluster() || !removal_is_known(machine->id())) continue;
    unsettled_ = scheduler_.now();
    if (going_.insert(machine->id()).second)
      scheduler_.after(env::Duration(random_.between(0, kHandlingMax)), [this, &m = *machine] { take_out(m); });
  }
}

void Administrator::begin(Machine& machine, MemberId id) {
  log_.info("a machine joins", {{"machine", machine.name()}, {"member", id}});
  ++counts_.joined;
  begun_.insert(id);
  machine.join(id);
  scheduler_.after(env::Duration(random_.between(0, kHandlingMax)), [&machine, life = machine.lives()] {
    if (machine.in_cluster() && machine.lives() == life && machine.down()) machine.start();
  });
}

bool Administrator::removal_is_known(MemberId id) const {
  return std::any_of(machines_.begin(), machines_.end(), [id](const auto& other) {
    if (!other->serving() || other->id() == id) return false;
    const View cluster = other->member().info().cluster();
    return cluster->is_removed(id) && !cluster->is_removed(other->id());
  });
}

void Administrator::take_out(Machine& machine) {
  log_.info("a machine is taken out", {{"machine", machine.name()}, {"member", machine.id()}});
  ++counts_.left;
  going_.erase(machine.id());
  machine.crash(Machine::Loss::power);
  machine.leave();
}

template <class Map>
MemberId Administrator::any_of(const Map& members) {
  if (members.empty()) return {};
  auto chosen = members.begin();
  std::advance(chosen, random_.below(members.size()));
  if constexpr (requires { chosen->first; }) {
    return chosen->first;
  } else {
    return *chosen;
  }
}

// Not the last but one voter: if it leads, and the other one does not hear that the removal is committed, each needs the other
// for ever, in etcd's clusters as well (found by --seed=22743). Two removals at once would come to the same.
bool Administrator::may_remove(const membership::Cluster& cluster, MemberId id) const {
  const membership::Member* member = cluster.find(id);
  if (member == nullptr) return false;
  const size_t voters = cluster.voters().size();
  return member->is_learner || voters > 3 || (voters == 3 && under_way_ == 0);
}

void Administrator::change(const membership::Cluster& cluster) {
  const std::vector<MemberId> learners = cluster.learners();
  const MemberId any = any_of(cluster.members());
  const size_t members = cluster.members().size();
  switch (random_.below(6)) {
    case 0:
    case 1:
      if (members < static_cast<size_t>(knobs_.members_max)) return add(cluster);
      [[fallthrough]];
    case 2:
      if (may_remove(cluster, any))
        return ask("remove", [any](server::Member& member, const server::CallContext& context, Answered answered) {
          member.cluster_services().membership.remove(
              context, any, [answered = std::move(answered)](auto members) mutable { answered(members.status()); });
        });
      return;
    case 3:
    case 4:
      if (!learners.empty() && !knobs_.learners_stay)
        return ask("promote",
                   [id = any_of(learners)](server::Member& member, const server::CallContext& context,
                                           Answered answered) {
                     member.cluster_services().membership.promote(
                         context, id, "",
                         [answered = std::move(answered)](auto members) mutable { answered(members.status()); });
                   },
                   &counts_.promoted);
      return;
    default:
      return ask("move leadership",
                 [any](server::Member& member, const server::CallContext& context, Answered answered) {
                   member.cluster_services().transfer.move(
                       context, any,
                       [answered = std::move(answered)](const absl::Status& status) mutable { answered(status); });
                 },
                 &counts_.moved);
  }
}

void Administrator::add(const membership::Cluster& cluster) {
  std::vector<std::string> free;
  for (const auto& machine : machines_) {
    const bool listed = std::any_of(cluster.members().begin(), cluster.members().end(), [&](const auto& m) {
      return machine_at(m.second.peer_urls) == machine.get();
    });
    // One that is still to be wiped may be named already.
    if (!listed) free.push_back(machine->peer_url());
  }
  if (free.empty()) return;
  const bool learns = random_.chance(1, 2) || knobs_.learners_stay;
  const auto role = learns ? server::MembershipChanges::Role::learner : server::MembershipChanges::Role::voter;
  ask("add", [url = free[random_.below(free.size())], role](server::Member& member, const server::CallContext& context,
                                                            Answered answered) {
    member.cluster_services().membership.add(
        context, {url}, role, [answered = std::move(answered)](auto added) mutable { answered(added.status()); });
  });
}

void Administrator::ask(std::string_view what, Request request, uint64_t* acknowledged) {
  std::vector<Machine*> serving;
  for (const auto& machine : machines_)
    if (machine->serving()) serving.push_back(machine.get());
  if (serving.empty()) return;
  Machine& machine = *serving[random_.below(serving.size())];
  log_.info("asks for a change", {{"what", what}, {"at", machine.name()}});
  ++counts_.asked;
  ++under_way_;
  unsettled_ = scheduler_.now();
  // Shared by the answer and the end of patience.
  auto answered = std::make_shared<Answered>([this, what = std::string(what), acknowledged](const absl::Status& status) {
    --under_way_;
    unsettled_ = scheduler_.now();
    if (status.ok() && acknowledged != nullptr) ++*acknowledged;
    log_.info("answer", {{"what", what}, {"status", message(status)}});
    scheduler_.note(static_cast<uint64_t>(status.code()));
  });
  const auto answer = [answered](const absl::Status& status) {
    if (*answered) std::exchange(*answered, nullptr)(status);
  };
  scheduler_.after(kAnswerMax, [answer] { answer(absl::UnknownError("no answer")); });
  machine.rpc().post([&machine, answer, request = std::move(request)]() mutable {
    server::CallContext context;
    context.reply_on = &machine.rpc();
    request(machine.member(), context, answer);
  });
}

}  // namespace holdfast::sim
