#include "sim/knobs.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "fmt/format.h"

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <class T>
T pick(Random& random, std::initializer_list<T> choices) {
  return choices.begin()[random.below(choices.size())];
}

std::string name_of(int machine) { return fmt::format("m{}", machine); }
std::string peer_url_of(int machine) { return fmt::format("http://10.0.0.{}:2380", machine + 1); }

void draw_settings(Random& random, Knobs& knobs) {
  server::MemberConfig& c = knobs.config;
  c.heartbeat_interval = milliseconds(pick(random, {50, 100, 100, 100, 200}));
  c.election_ticks = pick(random, {5, 10, 10, 10, 20});
  c.pre_vote = !random.chance(1, 5);
  c.initial_election_tick_advance = random.chance(1, 2);
  c.raft_max_size_per_message = pick<uint64_t>(random, {1, 1'000, 100'000, 1 << 20});
  c.raft_max_inflight_messages = pick(random, {1, 4, 64, 512});
  // Some never, most often enough that who was away for long finds the log gone.
  c.snapshot_count = pick<uint64_t>(random, {5, 5, 10, 20, 50, 100, 1'000'000'000});
  c.snapshot_catchup_entries = pick<uint64_t>(random, {1, 5, 20, 100, 1'000});
  c.wal_segment_bytes = pick<uint64_t>(random, {8'192, 65'536, 1 << 20, 64'000'000});
  c.wal_zero_ahead_bytes = std::min<uint64_t>(c.wal_segment_bytes / 8, 16'384);
  c.max_wals = pick(random, {1, 5});
  c.max_snapshots = pick(random, {1, 5});
  c.backend_batch_interval = milliseconds(pick(random, {1, 10, 100, 100, 1000}));
  c.backend_batch_limit = pick<size_t>(random, {1, 10, 100, 10'000});
  c.compaction_batch_limit = pick(random, {1, 10, 1000});
  c.compaction_sleep_interval = milliseconds(pick(random, {0, 1, 10, 100}));
  c.priority_requests = random.chance(1, 2);
}

void draw_clients(Random& random, ClientKnobs& clients) {
  clients.clients = static_cast<int>(random.between(2, 8));
  clients.monitors = random.chance(1, 3);
  clients.keys = pick(random, {2, 5, 10, 30});
  clients.think_max = milliseconds(pick(random, {50, 100, 500, 1'000}));
  clients.rest_max = seconds(pick(random, {0, 0, 10, 60}));
  // Whoever loses patience soon asks on while others still wait for a leader that is gone.
  clients.timeout_min = milliseconds(pick(random, {50, 500}));
  clients.timeout_max = milliseconds(pick(random, {500, 2'000, 9'000}));
  clients.value_bytes_max = pick<size_t>(random, {8, 64, 1'000});
  if (random.chance(1, 6)) clients.big_value_ppm = 50'000;
  if (random.chance(1, 2)) clients.lost_request_ppm = clients.lost_answer_ppm = 20'000;
  if (random.chance(1, 4)) clients.txns = 100;
  if (random.chance(1, 4)) clients.compactions = 8;
  clients.leases = pick<uint32_t>(random, {0, 5, 20, 60});
}

void draw_corruption_checks(Random& random, Knobs& knobs) {
  server::CorruptionChecks& checks = knobs.config.corruption_checks;
  checks.initial = random.chance(1, 3);
  checks.interval = seconds(pick(random, {0, 0, 2, 10}));
  checks.compactions = random.chance(1, 2);
  checks.compaction_interval = seconds(pick(random, {1, 5, 60}));
  // While nothing is alive, etcd's hash takes in what a compaction has not deleted yet, and members that are well differ.
  knobs.clients.keeps_a_key = true;
}

}  // namespace

Knobs draw_knobs(Random& random, int members, env::Duration chaos) {
  Knobs knobs;
  constexpr std::array<int, 12> kSizes = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 6, 7};
  const int drawn = kSizes[random.below(kSizes.size())];
  knobs.members = members > 0 ? members : drawn;
  const env::Duration drawn_chaos = seconds(pick(random, {10, 20, 40, 120}));
  knobs.chaos = chaos.count() > 0 ? chaos : drawn_chaos;
  knobs.between_faults = milliseconds(pick(random, {300, 1'000, 3'000, 10'000}));
  knobs.wiring = pick(random, {Wiring::five_executors, Wiring::raft_and_log_share, Wiring::all_share});
  draw_settings(random, knobs);
  draw_clients(random, knobs.clients);
  knobs.snapshot_piece_bytes = pick<size_t>(random, {1'000, 10'000, 65'536, 1 << 20});
  knobs.machines = std::min(7, knobs.members + pick(random, {0, 1, 2}));
  knobs.members_max = knobs.machines;
  if (random.chance(1, 2)) knobs.between_changes = milliseconds(pick(random, {1'000, 3'000, 10'000}));
  knobs.config.strict_reconfig_check = !random.chance(1, 5);
  knobs.link.delay_max = milliseconds(pick(random, {1, 2, 10, 30}));
  // Of a generator of their own: what they are does not change what else is drawn.
  Random more(Random(random).next() ^ 0x6d6f7265);
  knobs.refused_dials = more.chance(1, 2);
  if (more.chance(1, 3)) draw_corruption_checks(more, knobs);
  knobs.learners_stay = more.chance(1, 4);
  return knobs;
}

server::MemberConfig config_of(const Knobs& knobs, int machine) {
  server::MemberConfig config = knobs.config;
  config.name = name_of(machine);
  config.data_dir = "/data";
  config.advertise_peer_urls = {peer_url_of(machine)};
  config.advertise_client_urls = {fmt::format("http://10.0.0.{}:2379", machine + 1)};
  for (int i = 0; i < knobs.members; ++i) config.initial_cluster[name_of(i)] = {peer_url_of(i)};
  return config;
}

}  // namespace holdfast::sim
