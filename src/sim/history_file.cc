#include "sim/history_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "sim/acknowledged_writes.h"
#include "sim/kv_messages.h"
#include "sim/linearizability.h"

namespace holdfast::sim {

namespace {

namespace pb = etcdserverpb;

constexpr std::array<std::pair<std::string_view, Outcome>, 5> kOutcomes{{{"ok", Outcome::ok},
                                                                         {"unknown", Outcome::unknown},
                                                                         {"refused", Outcome::refused},
                                                                         {"compacted", Outcome::compacted},
                                                                         {"future_revision", Outcome::future_revision}}};

// The fields of one line, taken from the front; once something is wrong, ok() is false for good.
class Fields {
 public:
  explicit Fields(std::string_view line) {
    for (const absl::string_view field : absl::StrSplit(absl::string_view(line.data(), line.size()), ' '))
      fields_.emplace_back(field.data(), field.size());
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && next_ == fields_.size(); }
  void fail() { ok_ = false; }

  std::string_view word() {
    if (next_ == fields_.size()) ok_ = false;
    return ok_ ? std::string_view(fields_[next_++]) : std::string_view();
  }
  template <class Number>
  Number number() {
    const std::string_view text = word();
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) ok_ = false;
    return value;
  }
  std::string bytes() {
    const std::string_view text = word();
    if (text == "-") return {};
    const std::string decoded = absl::HexStringToBytes(absl::string_view(text.data(), text.size()));
    if (absl::BytesToHexString(decoded) != absl::string_view(text.data(), text.size())) ok_ = false;
    return decoded;
  }
  template <class Message>
  Message message() {
    Message message;
    if (!message.ParseFromString(bytes())) ok_ = false;
    return message;
  }

 private:
  std::vector<std::string> fields_;
  size_t next_ = 0;
  bool ok_ = true;
};

template <class Request, class Response>
void read_call(Fields& fields, HistoryEntry& entry) {
  entry.op = op_of(fields.message<Request>());
  const auto response = fields.message<Response>();
  if (entry.outcome == Outcome::ok) entry.result = result_of(response);
}

HistoryEntry read_operation(Fields& fields) {
  HistoryEntry entry;
  entry.client = fields.number<int>();
  entry.member = MemberId(fields.number<uint64_t>());
  entry.invoked = fields.number<int64_t>();
  const std::string_view returned = fields.word();
  const std::string_view outcome = fields.word();
  bool known = false;
  for (const auto& [name, value] : kOutcomes) {
    if (name != outcome) continue;
    entry.outcome = value;
    known = true;
  }
  if (!known || (returned == "-") != (entry.outcome == Outcome::unknown)) fields.fail();
  if (returned != "-") entry.returned = Fields(returned).number<int64_t>();
  if (entry.returned <= entry.invoked) fields.fail();
  const std::string_view method = fields.word();
  if (method == "Range") {
    read_call<pb::RangeRequest, pb::RangeResponse>(fields, entry);
  } else if (method == "Put") {
    read_call<pb::PutRequest, pb::PutResponse>(fields, entry);
  } else if (method == "DeleteRange") {
    read_call<pb::DeleteRangeRequest, pb::DeleteRangeResponse>(fields, entry);
  } else if (method == "Txn") {
    read_call<pb::TxnRequest, pb::TxnResponse>(fields, entry);
  } else {
    fields.fail();
  }
  return entry;
}

std::vector<WatchEvent> events_of(const pb::WatchResponse& response) {
  std::vector<WatchEvent> events;
  for (const mvccpb::Event& e : response.events()) {
    WatchEvent event;
    event.type = e.type() == mvccpb::Event::DELETE ? WatchEvent::Type::erase : WatchEvent::Type::put;
    event.key = e.kv().key();
    event.value = e.kv().value();
    event.revision = e.kv().mod_revision();
    events.push_back(std::move(event));
  }
  return events;
}

class Parser {
 public:
  bool line(std::string_view text) {
    Fields fields(text);
    const std::string_view kind = fields.word();
    if (kind == "operation") {
      run_.history.push_back(read_operation(fields));
    } else if (kind == "watch") {
      watch(fields);
    } else if (kind == "told") {
      told(fields);
    } else if (kind == "change") {
      change(fields);
    } else if (kind == "store") {
      store(fields);
    } else {
      return false;
    }
    return fields.done();
  }
  RecordedRun take() { return std::move(run_); }

 private:
  void watch(Fields& fields) {
    const std::string id(fields.word());
    WatchRecord record;
    record.key = fields.bytes();
    record.end = fields.bytes();
    record.start_revision = fields.number<int64_t>();
    record.complete_to = fields.number<int64_t>();
    if (!watch_by_id_.emplace(id, run_.watches.size()).second) fields.fail();
    run_.watches.push_back(std::move(record));
  }
  void told(Fields& fields) {
    const auto found = watch_by_id_.find(std::string(fields.word()));
    const auto response = fields.message<pb::WatchResponse>();
    if (found == watch_by_id_.end()) return fields.fail();
    WatchRecord::Response told;
    told.events = events_of(response);
    told.compact_revision = response.compact_revision();
    const bool is_progress = told.events.empty() && !response.created() && !response.canceled();
    if (is_progress) told.progress_revision = response.header().revision();
    run_.watches[found->second].responses.push_back(std::move(told));
  }
  void change(Fields& fields) {
    for (WatchEvent& event : events_of(fields.message<pb::WatchResponse>())) {
      if (!run_.truth.empty()) {
        const WatchEvent& last = run_.truth.back();
        if (event.revision < last.revision) fields.fail();
        if (event.revision == last.revision) event.sub_revision = last.sub_revision + 1;
      }
      run_.truth.push_back(std::move(event));
    }
  }
  void store(Fields& fields) {
    RecordedStore store;
    store.member = fields.word();
    const KvResult all = result_of(fields.message<pb::RangeResponse>());
    store.pairs = all.pairs;
    store.revision = all.revision;
    run_.stores.push_back(std::move(store));
  }

  RecordedRun run_;
  std::map<std::string, size_t> watch_by_id_;
};

// What the changes, one after the other, leave there.
std::vector<KvPair> replay(const std::vector<WatchEvent>& truth) {
  std::map<std::string, KvPair> alive;
  for (const WatchEvent& event : truth) {
    if (event.type == WatchEvent::Type::erase) {
      alive.erase(event.key);
      continue;
    }
    KvPair& pair = alive.try_emplace(event.key, KvPair{event.key, {}, event.revision, 0, 0}).first->second;
    pair.value = event.value;
    pair.mod_revision = event.revision;
    ++pair.version;
  }
  std::vector<KvPair> pairs;
  for (auto& [key, pair] : alive) pairs.push_back(std::move(pair));
  return pairs;
}

Verdict about(std::string_view what, Verdict verdict) {
  if (!verdict.holds()) verdict.what = fmt::format("{}: {}", what, verdict.what);
  return verdict;
}

}  // namespace

absl::StatusOr<RecordedRun> parse_history(std::string_view text) {
  Parser parser;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (!parser.line(text.substr(0, end)))
      return make_status(absl::StatusCode::kInvalidArgument, fmt::format("line {} makes no sense", number));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.take();
}

Verdict check_run(const RecordedRun& run) {
  if (run.stores.empty()) return Verdict::violation("no member's store was recorded");
  for (const RecordedStore& store : run.stores) {
    if (store.revision != run.stores.front().revision || store.pairs != run.stores.front().pairs)
      return Verdict::violation(fmt::format("members {} and {} hold different stores", run.stores.front().member,
                                            store.member));
    if (Verdict v = check_acknowledged(run.history, store.pairs, store.revision); !v.holds())
      return about(fmt::format("member {}", store.member), std::move(v));
  }
  if (replay(run.truth) != run.stores.front().pairs)
    return Verdict::violation("the stores are not what the changes make of an empty one");
  ChangesByRevision changes;
  for (const WatchEvent& event : run.truth) changes[event.revision].push_back(event);
  for (int64_t revision = 2; revision <= run.stores.front().revision; ++revision)
    if (!changes.contains(revision))
      return Verdict::violation(fmt::format("a watch of everything was not told of revision {}", revision));
  for (size_t i = 0; i < run.watches.size(); ++i)
    if (Verdict v = check_watch(run.watches[i], run.truth); !v.holds())
      return about(fmt::format("watch {}", i), std::move(v));
  return about("linearizability", check_linearizable(run.history, {}, changes));
}

}  // namespace holdfast::sim
