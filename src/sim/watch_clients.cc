#include "sim/watch_clients.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "mvcc/store.h"
#include "rpc.pb.h"

namespace holdfast::sim {

namespace {

// A client looks after its watch so often, at most.
constexpr env::Duration kStepMax = std::chrono::milliseconds(400);

const std::string kNoEnd("\0", 1);

}  // namespace

class WatchClients::Client : public mvcc::WatchSink {
 public:
  Client(WatchClients& all, uint64_t seed) : all_(all), random_(seed) {
    record_.start_revision = next_ = 1;
    draw_range();
  }

  void step() {
    if (hub_ != nullptr && (machine_->starts() != start_ || !machine_->serving())) drop();
    if (hub_ == nullptr) {
      connect();
    } else if (!all_.settled_ && random_.chance(1, 30)) {
      leave();
    } else {
      on_machine([this] {
        if (all_.settled_ || random_.chance(2, 3)) waiting_ = 0;
        hub_->on_drained(*stream_);
        if (random_.chance(1, 3)) hub_->request_progress(*stream_);
      });
    }
    arm();
  }
  void arm() {
    all_.scheduler_.after(env::Duration(random_.between(1, kStepMax.count())), [this] { step(); });
  }

  void send(std::string head, SharedBytes tail) override {
    etcdserverpb::WatchResponse r;
    if (!r.ParseFromString(head + std::string(tail.view()))) return;
    // A response is not begun when so much waits; answers to requests may be.
    if (!r.events().empty() && waiting_ >= mvcc::kWatchOutboxBytesMax) all_.overfull_ = true;
    waiting_ += weight_;
    take(r);
  }
  size_t waiting_bytes() const override { return waiting_; }

  int64_t next() const { return next_; }
  const WatchRecord& record() const { return record_; }
  const std::vector<WatchRecord>& earlier() const { return earlier_; }

 private:
  void draw_range() {
    record_.key = fmt::format("k{}", random_.below(5));
    const std::string ends[] = {"", kNoEnd, record_.key + "\xff"};
    record_.end = ends[random_.below(3)];
  }
  // Runs as an RPC does; never, if the process ends first.
  void on_machine(std::function<void()> act) {
    machine_->rpc().post([this, act = std::move(act), connection = connections_] {
      if (connection == connections_ && hub_ != nullptr) act();
    });
  }
  void connect() {
    Machine& machine = *all_.machines_[random_.below(all_.machines_.size())];
    if (!machine.serving()) return;
    machine_ = &machine;
    start_ = machine.starts();
    ++connections_;
    waiting_ = 0;
    const size_t weights[] = {0, mvcc::kWatchOutboxBytesMax / 4, mvcc::kWatchOutboxBytesMax};
    weight_ = weights[random_.below(3)];
    mvcc::WatchHub::Options options;
    options.append_header = [](std::string& out, Revision revision) {
      std::string header;
      wire::Writer(header).put_int64(3, revision.value);
      wire::Writer(out).put_bytes(1, header);
    };
    options.fragment_bytes_max = 2 << 20;
    // Shared with tasks and timers, which keep weak ones.
    hub_ = std::make_shared<mvcc::WatchHub>(machine.member().watch_feed(), machine.rpc(), all_.watch_metrics_,
                                            std::move(options));
    on_machine([this] {
      stream_ = hub_->open(*this, {});
      hub_->create(*stream_, {.key = record_.key, .end = record_.end, .start = Revision(next_), .progress_notify = true});
    });
  }
  // Of a living member, in good order.
  void leave() {
    on_machine([this] {
      hub_->close(stream_);
      drop();
    });
  }
  // Of a dead one: nothing of its world may be touched.
  void drop() {
    ++connections_;
    hub_ = nullptr;
    stream_ = nullptr;
  }

  void take(const etcdserverpb::WatchResponse& r) {
    if (r.created()) return;
    WatchRecord::Response response;
    if (r.canceled()) {
      response.compact_revision = r.compact_revision();
      record_.responses.push_back(response);
      earlier_.push_back(record_);
      record_.responses.clear();
      // Goes on behind what is lost, as a reflector does after listing.
      record_.start_revision = next_ = std::max(next_, r.compact_revision());
      machine_->rpc().post([this, connection = connections_] {
        if (connection == connections_ && hub_ != nullptr) leave();
      });
      return;
    }
    for (const auto& event : r.events()) {
      const bool erased = event.type() == mvccpb::Event::DELETE;
      response.events.push_back({erased ? WatchEvent::Type::erase : WatchEvent::Type::put, event.kv().key(),
                                 event.kv().value(), event.kv().mod_revision()});
      next_ = event.kv().mod_revision() + 1;
      ++all_.events_;
    }
    if (r.events().empty()) {
      response.progress_revision = r.header().revision();
      next_ = std::max(next_, response.progress_revision + 1);
    }
    record_.responses.push_back(std::move(response));
  }

  WatchClients& all_;
  Random random_;
  WatchRecord record_;
  std::vector<WatchRecord> earlier_;  // ended by compactions
  int64_t next_ = 1;                  // the revision it resumes from
  Machine* machine_ = nullptr;
  uint64_t start_ = 0;        // of the machine
  uint64_t connections_ = 0;  // tells this connection's tasks from older ones'
  std::shared_ptr<mvcc::WatchHub> hub_;  // shared with nobody but its tasks; null: not connected
  mvcc::WatchHub::Stream* stream_ = nullptr;
  size_t waiting_ = 0;
  size_t weight_ = 0;
};

WatchClients::WatchClients(SimScheduler& scheduler, std::vector<std::unique_ptr<Machine>>& machines, int clients,
                           uint64_t seed)
    : scheduler_(scheduler), machines_(machines), random_(seed) {
  for (int i = 0; i < clients; ++i) clients_.push_back(std::make_unique<Client>(*this, random_.next()));
}

WatchClients::~WatchClients() = default;

void WatchClients::start() {
  for (auto& client : clients_) client->arm();
}

void WatchClients::learn(Machine& machine) {
  if (has_gap_ || !machine.serving()) return;
  const std::shared_ptr<mvcc::Store> store = machine.member().info().store();  // shared with its other readers
  const Revision current = store->current_revision();
  if (current.value <= known_) return;
  const absl::Status status =
      store->visit_changes(Revision(known_ + 1), current, [&](const mvcc::Change& change) {
        truth_.push_back({change.deleted ? WatchEvent::Type::erase : WatchEvent::Type::put,
                          std::string(change.pair.key), std::string(change.pair.value), change.revision.main,
                          change.revision.sub});
        return true;
      });
  has_gap_ = !status.ok();
  known_ = current.value;
}

bool WatchClients::complete() const {
  return std::all_of(clients_.begin(), clients_.end(), [&](const auto& client) { return client->next() > known_; });
}

Verdict WatchClients::check() const {
  if (overfull_) return Verdict::violation("events were sent to a client that takes none");
  if (has_gap_) return {};
  for (const auto& client : clients_) {
    for (const WatchRecord& record : client->earlier())
      if (Verdict verdict = check_watch(record, truth_); verdict.violated()) return verdict;
    WatchRecord last = client->record();
    last.complete_to = client->next() - 1;
    if (Verdict verdict = check_watch(last, truth_); verdict.violated()) return verdict;
  }
  return {};
}

std::string WatchClients::describe() const {
  std::string text = fmt::format("watchers, of {} revisions:", known_);
  for (const auto& client : clients_) text += fmt::format(" {}", client->next() - 1);
  return text;
}

}  // namespace holdfast::sim
