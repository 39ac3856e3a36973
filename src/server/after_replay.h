// A chore that begins when it was started and all is applied that was committed when the member was opened: before, the member
// doesn't know of everybody whom its log tells of.
#pragma once

#include <utility>

#include "env/executor.h"
#include "server/apply_owner.h"
#include "server/chore.h"
#include "server/member_info.h"

namespace holdfast::server {

class AfterReplay : public Chore, public ApplyListener {
 public:
  AfterReplay(env::Executor& executor, const MemberInfo& member)
      : executor_(executor), member_(member), awaited_(member.committed()) {}

  void start() override {
    executor_.post([this] {
      started_ = true;
      on_started();
      look_whether_replayed();
    });
  }
  void on_applied(Index index, Term) override {
    if (told_ || index < awaited_) return;
    told_ = true;
    executor_.post([this] {
      reached_ = true;  // listeners hear of it before member_ shows it
      look_whether_replayed();
    });
  }

 protected:
  // All on the executor.
  virtual void on_started() {}
  virtual void on_replayed() = 0;  // once
  void look_whether_replayed() {
    reached_ = reached_ || member_.applied() >= awaited_;
    if (started_ && reached_ && !std::exchange(replayed_, true)) on_replayed();
  }

 private:
  env::Executor& executor_;
  const MemberInfo& member_;
  const Index awaited_;
  bool told_ = false;  // apply's executor
  bool started_ = false, reached_ = false, replayed_ = false;
};

}  // namespace holdfast::server
