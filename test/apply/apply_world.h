// A state machine over a backend in virtual time, fed with log entries. Requests and answers are written as protobuf
// text, so that a test reads like a transcript.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apply/state_machine.h"
#include "backend/memory_engine.h"
#include "base/errors.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "raft_internal.pb.h"
#include "test/backend/test_world.h"

namespace holdfast::apply {

struct ApplyWorld : backend::TestWorld {
  StateMachine::Options options{.self = MemberId(0x11)};
  std::shared_ptr<backend::MemoryImage> image = std::make_shared<backend::MemoryImage>();
  OpenToAll nobody_is_refused;
  std::unique_ptr<backend::Backend> backend;
  std::unique_ptr<StateMachine> machine;
  std::vector<raft::Entry> log;  // every entry since the beginning

  ApplyWorld() = default;
  ~ApplyWorld() { close(); }

  void open() {
    backend = std::make_unique<backend::Backend>(backend::make_memory_engine(image),
                                                 backend::BackendOptions{}, backend_environment());
    auto opened = StateMachine::open(*backend, membership::Cluster::provisional(ClusterId(0x22), {}),
                                     options,
                                     {owner, background, process, metrics, TestWorld::log,
                                      nobody_is_refused});
    ASSERT_TRUE(opened.ok()) << opened.status();
    machine = *std::move(opened);
  }
  // As a crash: what was not committed is lost.
  void close() {
    crash();
    machine.reset();
    crash();
    backend.reset();
    crash();
  }
  // Until everything put so far is in the image.
  void commit() {
    bool done = false;
    backend->force_commit([&] { done = true; });
    run_ready();
    EXPECT_TRUE(done);
  }

  // --- entries ---

  raft::Entry& append(etcdserverpb::InternalRaftRequest request) {
    request.mutable_header()->set_id(log.size() + 1);
    log.push_back({.term = Term(2),
                   .index = Index(log.size() + 1),
                   .data = SharedBytes(request.SerializeAsString())});
    return log.back();
  }
  std::unique_ptr<Result> hand_in(const raft::Entry& entry, bool has_waiter = true) {
    const bool should_apply = machine->begin_entry(entry.index, entry.term);
    std::unique_ptr<Result> result;
    if (!entry.data.empty())
      result = machine->apply(machine->parse(entry),
                              {.should_apply = should_apply, .has_waiter = has_waiter});
    backend->entry_boundary();
    return result;
  }
  std::unique_ptr<Result> submit(etcdserverpb::InternalRaftRequest request, bool has_waiter = true) {
    return hand_in(append(std::move(request)), has_waiter);
  }

  // --- as text ---

  static etcdserverpb::InternalRaftRequest parse(const std::string& text) {
    etcdserverpb::InternalRaftRequest request;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
    return request;
  }
  // The error's text, the response's, or "none".
  static std::string text(const Result* result) {
    if (result == nullptr) return "none";
    if (!result->status.ok()) return std::string(message(result->status));
    if (result->response == nullptr) {
      const int64_t revision = result->revision.value;
      return revision == 0 ? "ok" : "header { revision: " + std::to_string(revision) + " }";
    }
    return static_cast<const google::protobuf::Message&>(*result->response).ShortDebugString();
  }
  std::string say(const std::string& request, bool has_waiter = true) {
    return text(submit(parse(request), has_waiter).get());
  }
  std::string get(const std::string& key) {
    mvcc::ReadTxn txn = machine->store()->read();
    auto pair = txn.get(key);
    return pair ? pair->value : "(none)";
  }
  int64_t revision() const { return machine->store()->current_revision().value; }
  uint32_t hash() {
    auto hash = machine->store()->hash_kv(Revision(0));
    EXPECT_TRUE(hash.ok()) << hash.status();
    return hash.ok() ? hash->hash : 0;
  }
};

// A world with a machine, and one line a check.
class ApplyTest : public testing::Test, protected ApplyWorld {
 protected:
  void SetUp() override { open(); }
  // `request` gets `answer`.
  void expect(const std::string& request, const std::string& answer) {
    EXPECT_EQ(say(request), answer) << request;
  }
};

}  // namespace holdfast::apply
