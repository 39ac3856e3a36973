// Clients that ask members for whatever comes to the seed's mind, and remember what they saw. Each has one operation under
// way; one whose answer does not come in time is of unknown outcome, and the client goes on with the next.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "fmt/format.h"
#include "sim/history.h"
#include "sim/knobs.h"
#include "sim/kv_client.h"
#include "sim/lease_checker.h"
#include "sim/machine.h"

namespace holdfast::sim {

class Workload {
 public:
  struct Counts {
    uint64_t operations = 0;
    uint64_t acknowledged = 0;
    uint64_t unknown = 0;
  };
  Workload(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines, const ClientKnobs& knobs);

  void start();
  // Operations under way are finished or given up; no new ones.
  void stop() { stopped_ = true; }
  bool idle() const;
  // One put and one linearizable read of it through that member, recorded like all others; `done` says if both were
  // acknowledged.
  void probe(size_t machine, UniqueFunction<void(bool)> done);

  // Each lease that was granted, as its users saw it.
  std::vector<LeaseRecord> leases() const;

  const History& history() const { return recorder_.history(); }
  const Counts& counts() const { return counts_; }

 private:
  struct Habits {
    bool loyal = false;   // stays with its machine whatever happens there
    bool reader = false;  // never waits until a write is done
    bool hasty = false;   // asks again soon, and gives up soon
  };
  struct Client {
    int id = 0;
    size_t machine = 0;   // asked last
    uint64_t call = 0;    // under way, or the last one
    bool busy = false;
    bool asking = false;  // the next one is not asked yet
    Habits habits;
  };
  // Owned by the answer that comes, perhaps too late, and by the end of patience.
  enum class Kind : uint8_t { kv, grant, revoke };
  struct Request {
    Kind kind = Kind::kv;
    KvOp op;
    int64_t lease = 0;
    int64_t ttl_seconds = 0;
  };
  struct Call {
    int client;
    uint64_t number;
    size_t entry;  // in the history, if kv
    Request request;
    UniqueFunction<void(const KvAnswer&)> done;
  };

  void begin();
  void put_kept_key();
  void ask_later(Client& client);
  void ask(Client& client);
  // Sends it, and answers `done` once, perhaps with an unknown outcome.
  void send(Client& client, size_t machine, Request request, UniqueFunction<void(const KvAnswer&)> done);
  void arrive(size_t machine, std::shared_ptr<Call> call);
  void answer(const std::shared_ptr<Call>& call, KvAnswer answer);
  void finish(Call& call, KvAnswer answer);
  void learn(const KvOp& op, const KvAnswer& answer);
  env::Duration travel();

  // Keys of a lease stand under a prefix of their own and are never deleted but with it. So whoever finds none after one
  // was acknowledged knows that the lease is gone; and to the model the end of a lease is a deletion of the prefix that
  // may happen at any time after the grant was asked for.
  struct Lease {
    LeaseRecord record;
    bool has_key = false;  // acknowledged
  };
  static std::string prefix_of(int64_t lease) { return fmt::format("lease{}/", lease); }
  bool draw_lease_request(Request& request);
  void learn_lease(const Request& request, env::Instant asked, bool had_key, const KvAnswer& answer);

  Request draw_request(const Client& client);
  KvOp draw_operation();
  KvOp draw_put();
  KvOp draw_range(bool in_txn);
  KvOp draw_delete();
  int64_t draw_past_revision();
  KvOp draw_txn();
  KvCompare draw_compare();
  std::string draw_key();
  bool strikes(uint32_t ppm) { return ppm != 0 && random_.below(1'000'000) < ppm; }

  SimScheduler& scheduler_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  const ClientKnobs knobs_;
  Random random_;
  HistoryRecorder recorder_;
  Counts counts_;
  std::vector<Client> clients_;
  bool stopped_ = true;
  uint64_t next_value_ = 1;
  // What clients know from answers: makes comparisons that hold, and reads of the past that are there.
  int64_t latest_revision_ = 1;
  int64_t compacted_ = 0;
  std::map<int64_t, Lease> leases_;
  int64_t next_lease_ = 1;
  std::vector<std::pair<std::string, KvPair>> recent_;  // pairs seen, a few
};

}  // namespace holdfast::sim
