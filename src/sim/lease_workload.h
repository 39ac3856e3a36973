// Clients with leases: each grants one, hangs a key on it, keeps it alive for a while through whichever member answers, and
// then looks on until it is gone. What they saw is what check_lease() judges.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "server/request_path.h"
#include "sim/knobs.h"
#include "sim/lease_checker.h"
#include "sim/machine.h"

namespace holdfast::sim {

class LeaseWorkload {
 public:
  struct Counts {
    uint64_t operations = 0;
    uint64_t acknowledged = 0;
    uint64_t kept_alive = 0;
    uint64_t ended = 0;  // leases seen to end
  };
  LeaseWorkload(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines,
                const ClientKnobs& knobs);

  void start();
  // No new leases and no more keep-alives; clients look on until theirs are gone.
  void stop() { stopped_ = true; }
  bool idle() const;

  std::vector<LeaseRecord> records() const;
  const Counts& counts() const { return counts_; }

 private:
  struct Client {
    int id = 0;
    size_t machine = 0;  // asked last
    LeaseRecord lease;
    std::string key;
    int renewals_left = 0;
    bool has_lease = false;
    uint64_t call = 0;  // under way, or the last one
    bool busy = false;
  };
  // What came of a request: a number, or that it failed, perhaps without anybody's knowing what it did.
  struct Answer {
    bool ok = false;
    bool not_found = false;
    int64_t number = 0;
  };
  using Answered = UniqueFunction<void(const Answer&)>;
  // Runs on the member's executor for requests and answers there, once or never.
  using Request = UniqueFunction<void(server::Member&, const server::CallContext&, Answered)>;
  struct Call {
    int client;
    uint64_t number;
    Answered done;
  };

  void later(Client& client, env::Duration wait, void (LeaseWorkload::*step)(Client&));
  void grant(Client& client);
  void hang_key(Client& client);
  void next(Client& client);
  void keep_alive(Client& client);
  void look(Client& client);
  void lease_is_gone(Client& client);
  void send(Client& client, Request request, Answered done);
  void finish(Call& call, const Answer& answer);
  env::Duration travel() { return env::Duration(random_.between(20'000, 1'000'000)); }
  bool strikes(uint32_t ppm) { return ppm != 0 && random_.below(1'000'000) < ppm; }

  SimScheduler& scheduler_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  const ClientKnobs knobs_;
  Random random_;
  std::vector<Client> clients_;
  std::vector<LeaseRecord> finished_;
  Counts counts_;
  bool stopped_ = false;
};

}  // namespace holdfast::sim
