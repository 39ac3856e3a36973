#include "sim/kv_model.h"

#include <algorithm>

#include "base/check.h"
#include "base/wire.h"
#include "fmt/format.h"

namespace holdfast::sim {

bool KvOp::writes() const {
  if (kind == KvKind::put || kind == KvKind::delete_range) return true;
  if (kind != KvKind::txn) return false;
  const auto writing = [](const KvOp& op) { return op.writes(); };
  return std::any_of(then_ops.begin(), then_ops.end(), writing) ||
         std::any_of(else_ops.begin(), else_ops.end(), writing);
}

bool KvResult::changed(const KvOp& op) const {
  switch (op.kind) {
    case KvKind::put: return true;
    case KvKind::delete_range: return count > 0;
    case KvKind::range:
    case KvKind::compact: return false;
    case KvKind::txn: break;
  }
  const std::vector<KvOp>& ops = succeeded ? op.then_ops : op.else_ops;
  for (size_t i = 0; i < ops.size() && i < children.size(); ++i)
    if (children[i].changed(ops[i])) return true;
  return false;
}

namespace {
uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * 0x9e3779b97f4a7c15;
  return h ^ (h >> 31);
}
uint64_t mix(uint64_t h, std::string_view s) {
  return mix(h, std::hash<std::string_view>()(s));
}
}  // namespace

uint64_t KvModel::hash_of(const std::string& key, const Version& v) {
  return mix(mix(mix(mix(mix(7, key), v.value), static_cast<uint64_t>(v.mod)), static_cast<uint64_t>(v.create)),
             static_cast<uint64_t>(v.version));
}

const KvModel::Version* KvModel::live_at(const Versions& versions, int64_t revision) {
  auto after = std::upper_bound(versions.begin(), versions.end(), revision,
                                [](int64_t r, const Version& v) { return r < v.mod; });
  if (after == versions.begin()) return nullptr;
  const Version& version = *std::prev(after);
  return version.version == 0 ? nullptr : &version;
}

KvPair KvModel::pair_of(const std::string& key, const Version& v) const {
  return {key, v.value, v.create, v.mod, v.version};
}

std::map<std::string, KvModel::Versions>::const_iterator KvModel::range_end(const KvOp& op) const {
  if (op.end.empty()) return keys_.upper_bound(op.key);
  if (op.end == std::string_view("\0", 1)) return keys_.end();
  return op.end <= op.key ? keys_.lower_bound(op.key) : keys_.lower_bound(op.end);
}

KvResult KvModel::read(const KvOp& op, int64_t revision) const {
  KvResult result;
  result.revision = revision_;
  const auto end = range_end(op);
  for (auto it = keys_.lower_bound(op.key); it != end; ++it) {
    const Version* version = live_at(it->second, revision);
    if (version == nullptr) continue;
    ++result.count;
    if (op.limit > 0 && result.count > op.limit) {
      result.more = true;
    } else {
      result.pairs.push_back(pair_of(it->first, *version));
    }
  }
  return result;
}

bool KvModel::holds(const KvCompare& compare) const {
  auto found = keys_.find(compare.key);
  const Version* version =
      found == keys_.end() ? nullptr : live_at(found->second, INT64_MAX);
  int order = 0;
  if (compare.target == KvCompare::Target::value) {
    // A missing key has no value to compare: never holds (TXN-05).
    if (version == nullptr) return false;
    order = version->value.compare(compare.value);
  } else {
    int64_t number = 0;
    if (version != nullptr) {
      number = compare.target == KvCompare::Target::version  ? version->version
               : compare.target == KvCompare::Target::create ? version->create
                                                             : version->mod;
    }
    order = number < compare.number ? -1 : number > compare.number;
  }
  switch (compare.result) {
    case KvCompare::Result::equal: return order == 0;
    case KvCompare::Result::not_equal: return order != 0;
    case KvCompare::Result::greater: return order > 0;
    case KvCompare::Result::less: return order < 0;
  }
  return false;
}

void KvModel::put(const KvOp& op, int64_t revision, KvResult& result) {
  Versions& versions = keys_[op.key];
  const Version* before = live_at(versions, INT64_MAX);
  Version version{revision, before ? before->create : revision, before ? before->version + 1 : 1,
                  op.value};
  version.hash = hash_of(op.key, version);
  live_hash_ ^= version.hash ^ (before ? before->hash : 0);
  if (op.prev_kv && before) result.pairs.push_back(pair_of(op.key, *before));
  versions.push_back(std::move(version));
  changed_.push_back(op.key);
}

void KvModel::delete_range(const KvOp& op, int64_t revision, KvResult& result) {
  const auto end = range_end(op);
  for (auto it = keys_.lower_bound(op.key); it != end; ++it) {
    const Version* before = live_at(it->second, INT64_MAX);
    if (before == nullptr) continue;
    ++result.count;
    if (op.prev_kv) result.pairs.push_back(pair_of(it->first, *before));
    live_hash_ ^= before->hash;
    it->second.push_back({revision, 0, 0, {}});
    changed_.push_back(it->first);
  }
}

KvResult KvModel::apply_at(const KvOp& op, int64_t revision) {
  KvResult result;
  switch (op.kind) {
    case KvKind::put: put(op, revision, result); break;
    case KvKind::delete_range: delete_range(op, revision, result); break;
    case KvKind::range:
      result = read(op, op.revision > 0 ? op.revision : INT64_MAX);
      result.revision = 0;
      break;
    case KvKind::txn: {
      result.succeeded = std::all_of(op.compares.begin(), op.compares.end(),
                                     [this](const KvCompare& c) { return holds(c); });
      for (const KvOp& child : result.succeeded ? op.then_ops : op.else_ops)
        result.children.push_back(apply_at(child, revision));
      break;
    }
    case KvKind::compact: break;
  }
  return result;
}

KvResult KvModel::apply(const KvOp& op) {
  changed_.clear();
  const uint64_t hash_before = live_hash_;
  KvResult result = apply_at(op, revision_ + 1);
  if (!changed_.empty()) {
    ++revision_;
    log_.push_back({std::move(changed_), hash_before});
    changed_.clear();
  }
  result.revision = revision_;
  return result;
}

void KvModel::rollback(int64_t revision) {
  while (revision_ > revision) {
    for (const std::string& key : log_.back().keys) {
      auto found = keys_.find(key);
      // A key that was put and deleted in one transaction stands in the log twice.
      if (found == keys_.end()) continue;
      Versions& versions = found->second;
      while (!versions.empty() && versions.back().mod == revision_) {
        live_hash_ ^= versions.back().hash;
        versions.pop_back();
        if (!versions.empty()) live_hash_ ^= versions.back().hash;
      }
      if (versions.empty()) keys_.erase(found);
    }
    log_.pop_back();
    --revision_;
  }
}

std::optional<KvPair> KvModel::get(std::string_view key) const {
  const auto found = keys_.find(std::string(key));
  const Version* version = found == keys_.end() ? nullptr : live_at(found->second, INT64_MAX);
  if (version == nullptr) return std::nullopt;
  return pair_of(found->first, *version);
}

std::vector<KvPair> KvModel::pairs() const {
  KvOp all;
  all.end = std::string(1, '\0');
  return read(all, INT64_MAX).pairs;
}

uint64_t KvModel::hash_at(int64_t revision) const {
  const uint64_t alive = revision == revision_ ? live_hash_ : log_[static_cast<size_t>(revision + 1 - first_)].hash_before;
  return mix(alive, static_cast<uint64_t>(revision));
}

std::string KvModel::serialize() const {
  std::string out;
  wire::append_be64(out, static_cast<uint64_t>(revision_));
  const auto append = [&out](std::string_view s) {
    wire::append_be64(out, s.size());
    out += s;
  };
  for (const KvPair& p : pairs()) {
    append(p.key);
    append(p.value);
    for (int64_t n : {p.create_revision, p.mod_revision, p.version})
      wire::append_be64(out, static_cast<uint64_t>(n));
  }
  return out;
}

KvModel KvModel::deserialize(std::string_view bytes) {
  const auto number = [&bytes] {
    CHECK(bytes.size() >= 8);
    const uint64_t n = wire::read_be64(bytes.data());
    bytes.remove_prefix(8);
    return static_cast<int64_t>(n);
  };
  const auto text = [&] {
    const auto n = static_cast<size_t>(number());
    std::string s(bytes.substr(0, n));
    bytes.remove_prefix(n);
    return s;
  };
  KvModel model;
  model.revision_ = number();
  model.first_ = model.revision_ + 1;
  while (!bytes.empty()) {
    std::string key = text();
    Version v;
    v.value = text();
    v.create = number();
    v.mod = number();
    v.version = number();
    v.hash = hash_of(key, v);
    model.live_hash_ ^= v.hash;
    model.keys_[key].push_back(std::move(v));
  }
  return model;
}

namespace {
std::string short_text(std::string_view s) {
  if (s == std::string_view("\0", 1)) return "\\0";
  return s.size() <= 24 ? std::string(s) : fmt::format("{}...({})", s.substr(0, 16), s.size());
}
std::string describe_range(const KvOp& op) {
  std::string text = short_text(op.key);
  if (!op.end.empty()) text += ".." + short_text(op.end);
  if (op.revision != 0) text += fmt::format("@{}", op.revision);
  if (op.limit != 0) text += fmt::format(" limit {}", op.limit);
  if (op.serializable) text += " serializable";
  return text;
}
}  // namespace

std::string describe(const KvOp& op) {
  switch (op.kind) {
    case KvKind::put: return fmt::format("put {}={}", short_text(op.key), short_text(op.value));
    case KvKind::range: return "range " + describe_range(op);
    case KvKind::delete_range: return "delete " + describe_range(op);
    case KvKind::compact: return fmt::format("compact {}", op.revision);
    case KvKind::txn: break;
  }
  std::string text = "txn if";
  static constexpr const char* kTargets[] = {"version", "create", "mod", "value"};
  static constexpr const char* kSigns[] = {"==", ">", "<", "!="};
  for (const KvCompare& c : op.compares)
    text += fmt::format(" {}({}){}{}", kTargets[static_cast<int>(c.target)], short_text(c.key),
                        kSigns[static_cast<int>(c.result)],
                        c.target == KvCompare::Target::value ? short_text(c.value)
                                                             : std::to_string(c.number));
  text += " then";
  for (const KvOp& child : op.then_ops) text += " [" + describe(child) + "]";
  text += " else";
  for (const KvOp& child : op.else_ops) text += " [" + describe(child) + "]";
  return text;
}

std::string describe(const KvResult& result) {
  std::string text = fmt::format("revision {} count {}", result.revision, result.count);
  for (const KvPair& p : result.pairs)
    text += fmt::format(" {}={}(create {} mod {} version {})", short_text(p.key),
                        short_text(p.value), p.create_revision, p.mod_revision, p.version);
  if (!result.children.empty()) {
    text += result.succeeded ? " succeeded" : " failed";
    for (const KvResult& child : result.children) text += " [" + describe(child) + "]";
  }
  return text;
}

}  // namespace holdfast::sim
