#include "rpc/leader_monitor.h"

#include <map>
#include <mutex>

#include "base/errors.h"

namespace holdfast::rpc {

namespace {
constexpr int kLooksWithoutLeaderMax = 3;
}  // namespace

class LeaderMonitor::Core : public std::enable_shared_from_this<LeaderMonitor::Core> {
 public:
  Core(const server::MemberInfo& member, env::Executor& executor, env::Duration interval)
      : member_(member), executor_(executor), interval_(interval) {}

  void arm() {
    executor_.post_after(interval_, [weak = weak_from_this()] {
      if (auto core = weak.lock()) core->look();
    });
  }

  uint64_t add(net::StreamCallRef call) {
    const std::lock_guard lock(mutex_);
    calls_.emplace(++last_id_, std::move(call));
    return last_id_;
  }

  void remove(uint64_t id) {
    std::map<uint64_t, net::StreamCallRef>::node_type removed;  // let go of outside the lock
    const std::lock_guard lock(mutex_);
    removed = calls_.extract(id);
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }

 private:
  void look() {
    std::map<uint64_t, net::StreamCallRef> lost;
    {
      // Held while the member is asked: stop() returns only when nobody asks any more.
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      looks_without_leader_ = member_.leader() ? 0 : looks_without_leader_ + 1;
      if (looks_without_leader_ >= kLooksWithoutLeaderMax) lost.swap(calls_);
    }
    for (auto& [id, call] : lost) {
      net::IoThread& thread = call->executor();
      thread.post([call = std::move(call)] { call->finish(error(EtcdError::no_leader)); });
    }
    arm();
  }

  const server::MemberInfo& member_;
  env::Executor& executor_;
  const env::Duration interval_;
  int looks_without_leader_ = 0;  // on the executor
  std::mutex mutex_;
  bool stopped_ = false;
  uint64_t last_id_ = 0;
  std::map<uint64_t, net::StreamCallRef> calls_;
};

LeaderMonitor::LeaderMonitor(const server::MemberInfo& member, env::Executor& executor,
                             env::Duration election_timeout)
    : core_(std::make_shared<Core>(member, executor, election_timeout)) {}

LeaderMonitor::~LeaderMonitor() { core_->stop(); }

void LeaderMonitor::start() { core_->arm(); }

LeaderMonitor::Ticket LeaderMonitor::watch(net::StreamCallRef call) {
  Ticket ticket;
  ticket.core_ = core_;
  ticket.id_ = core_->add(std::move(call));
  return ticket;
}

LeaderMonitor::Ticket::Ticket(Ticket&& other) noexcept
    : core_(std::move(other.core_)), id_(std::exchange(other.id_, 0)) {}

LeaderMonitor::Ticket& LeaderMonitor::Ticket::operator=(Ticket&& other) noexcept {
  std::swap(core_, other.core_);
  std::swap(id_, other.id_);
  return *this;
}

LeaderMonitor::Ticket::~Ticket() {
  if (core_) core_->remove(id_);
}

}  // namespace holdfast::rpc
