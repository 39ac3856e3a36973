#include "sim/process.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::sim {

namespace {
// Where wall clocks stand when a run begins: 2026-01-01.
constexpr int64_t kWallStart = 1'767'225'600'000'000'000;
// Monotonic clocks do not begin at zero, which code may take for "never".
constexpr int64_t kMonotonicStart = 1'000'000'000;
constexpr int64_t kTrueRate = 1'000'000;
}  // namespace

SimClock::SimClock(const SimScheduler& scheduler)
    : scheduler_(scheduler),
      base_virtual_(scheduler.now()),
      base_local_{kMonotonicStart + scheduler.now().nanoseconds},
      wall_offset_(kWallStart) {}

env::Instant SimClock::local_at(env::Instant when) const {
  if (rate_ppm_ == kTrueRate) return base_local_ + (when - base_virtual_);
  const __int128 passed = (when - base_virtual_).count();
  return {base_local_.nanoseconds + static_cast<int64_t>(passed * rate_ppm_ / 1'000'000)};
}

env::Instant SimClock::now() const { return local_at(scheduler_.now() + elapsed_); }
int64_t SimClock::unix_nanoseconds() const { return now().nanoseconds + wall_offset_; }

env::Instant SimClock::to_virtual(env::Instant local) const {
  if (rate_ppm_ == kTrueRate) return base_virtual_ + (local - base_local_);
  const __int128 wait = (local - base_local_).count();
  // Rounded up: at the instant returned the clock must show `local` at least.
  const __int128 passed = (wait * 1'000'000 + rate_ppm_ - 1) / rate_ppm_;
  return {base_virtual_.nanoseconds + static_cast<int64_t>(passed)};
}

void SimClock::rebase() {
  base_local_ = local_at(scheduler_.now());
  base_virtual_ = scheduler_.now();
}

void SimClock::set_rate(int64_t ppm) {
  CHECK(ppm > 0);
  rebase();
  rate_ppm_ = ppm;
  if (listener_) listener_();
}

void SimClock::jump(env::Duration forward) {
  CHECK(forward.count() >= 0);
  rebase();
  base_local_ = base_local_ + forward;
  if (listener_) listener_();
}

void SimClock::jump_wall(env::Duration by) { wall_offset_ += by.count(); }

bool SimFaultPoints::strike(std::string_view name) {
  auto found = ppm_.find(name);
  if (found == ppm_.end() || random_.below(1'000'000) >= found->second) return false;
  ++strikes_;
  return true;
}

void SimFaultPoints::set(std::string_view name, uint32_t ppm) {
  ppm_.insert_or_assign(std::string(name), ppm);
}

SimProcess::SimProcess(SimScheduler& scheduler, SimClock& clock, const Options& options)
    : scheduler_(scheduler),
      clock_(clock),
      options_(options),
      random_(options.seed),
      faults_(options.seed + 1),
      timing_(options.seed + 2) {
  clock_.on_change([this] { arm_all(); });
}

SimProcess::~SimProcess() {
  kill();
  clock_.on_change(nullptr);
}

SimExecutor& SimProcess::add_executor(std::string name) {
  executors_.push_back(std::make_unique<SimExecutor>(*this, std::move(name)));
  return *executors_.back();
}

void SimProcess::die(std::string_view message) { throw ProcessDied{std::string(message)}; }

void SimProcess::kill() {
  if (!alive_) return;
  alive_ = false;
  ended_at_ = scheduler_.now();
  for (auto& executor : executors_) executor->clear();
}

void SimProcess::pause() { paused_ = true; }

void SimProcess::resume() {
  paused_ = false;
  arm_all();
}

void SimProcess::arm_all() {
  for (auto& executor : executors_) executor->arm();
}

env::Duration SimProcess::task_time() {
  return env::Duration(
      timing_.between(options_.task_time_min.count(), options_.task_time_max.count()));
}

env::Instant SimProcess::effect_time() {
  if (running_ != nullptr && take_busy_time_) {
    elapsed_ += take_busy_time_();
    clock_.set_elapsed(elapsed_);
  }
  return scheduler_.now() + elapsed_;
}

SimExecutor::SimExecutor(SimProcess& process, std::string name)
    : process_(process), name_(std::move(name)) {}

SimExecutor::~SimExecutor() { clear(); }

void SimExecutor::post(Task task) {
  if (!process_.alive_) return;
  const int64_t ready = process_.effect_time().nanoseconds;
  tasks_.insert(ready, std::move(task));
  process_.deepest_queue_ = std::max(process_.deepest_queue_, tasks_.size());
  if (process_.running_ != this) arm();
}

env::TimerId SimExecutor::post_at(env::Instant when, Task task) {
  if (!process_.alive_) return 0;
  const env::TimerId id = next_timer_++;
  timers_.emplace(TimerKey{when.nanoseconds, id}, std::move(task));
  timer_times_.emplace(id, when.nanoseconds);
  if (process_.running_ != this) arm();
  return id;
}

void SimExecutor::cancel(env::TimerId id) {
  auto found = timer_times_.find(id);
  if (found == timer_times_.end()) return;
  auto timer = timers_.find({found->second, id});
  timer_times_.erase(found);
  auto gone = timers_.extract(timer);  // destroyed last: what it owns may call back
}

void SimExecutor::arm() {
  if (!process_.alive_ || process_.paused_) return;
  int64_t when = INT64_MAX;
  if (!tasks_.empty()) when = tasks_.first_ready();
  if (!timers_.empty())
    when = std::min(when,
                    process_.clock_.to_virtual({timers_.begin()->first.first}).nanoseconds);
  if (when == INT64_MAX) return;
  const env::Instant at{std::max(when, busy_until_.nanoseconds)};
  if (wake_ != 0) {
    if (wake_at_ <= at) return;  // wakes early, looks, and arms again
    process_.scheduler_.cancel(wake_);
  }
  wake_at_ = at;
  wake_ = process_.scheduler_.at(at, [this] {
    wake_ = 0;
    run();
  });
}

bool SimExecutor::take(Task& task) {
  const int64_t now = process_.scheduler_.now().nanoseconds;
  if (now < busy_until_.nanoseconds) return false;
  const bool timer_due =
      !timers_.empty() && timers_.begin()->first.first <= process_.clock_.now().nanoseconds;
  const bool task_due = !tasks_.empty() && tasks_.first_ready() <= now;
  // Both due: the seed decides, as a real queue would by chance.
  if (timer_due && (!task_due || process_.timing_.chance(1, 2))) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
    task = std::move(node.mapped());
    return true;
  }
  if (!task_due) return false;
  task = tasks_.take();
  return true;
}

void SimExecutor::run() {
  if (!process_.alive_ || process_.paused_) return;
  SimProcess& process = process_;
  Task task;
  if (!take(task)) return arm();
  CHECK(process.running_ == nullptr);
  process.running_ = this;
  process.elapsed_ = env::Duration(0);
  std::string death;
  bool died = false;
  try {
    task();
  } catch (const ProcessDied& end) {
    died = true;
    death = end.message;
  }
  task = nullptr;
  process.effect_time();
  const env::Instant done_at = process.scheduler_.now() + process.elapsed_;
  const env::Duration took = process.elapsed_ + process.task_time();
  process.running_ = nullptr;
  process.elapsed_ = env::Duration(0);
  process.clock_.set_elapsed(env::Duration(0));
  if (died) {
    process.kill();
    process.ended_at_ = done_at;
    auto told = process.on_death_;
    if (told) told(death);
    return;
  }
  busy_until_ = process.scheduler_.now() + took;
  if (process.alive_ && process.after_task_) process.after_task_(*this);
  if (process.alive_) arm();
}

void SimExecutor::clear() {
  process_.scheduler_.cancel(std::exchange(wake_, 0));
  // Destroying a task may post another, which is refused by then.
  auto tasks = std::exchange(tasks_, {});
  auto timers = std::exchange(timers_, {});
  timer_times_.clear();
}

}  // namespace holdfast::sim
