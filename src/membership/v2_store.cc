#include "membership/v2_store.h"

#include <memory>

#include "base/wire.h"
#include "fmt/format.h"
#include "base/json.h"

namespace holdfast::membership {

namespace {

constexpr std::string_view kMembersPath = "/0/members";
constexpr std::string_view kRemovedPath = "/0/removed_members";
constexpr std::string_view kAttributes = "attributes";
// etcd's watcher hub writes into this many slots without looking how many there are.
constexpr int kEventSlots = 1000;

// A directory of v2 keys; values are leaves.
struct Node {
  std::string path;
  uint64_t index = 0;
  std::optional<std::string> value;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
};

class Tree {
 public:
  Tree() { root_.path = "/"; }

  void make_directory(std::string_view path) { descend(path, index_); }
  void set(std::string_view path, std::string value) {
    ++index_;
    descend(path, index_).value = std::move(value);
  }
  std::string to_json() const {
    std::string out = "{\"Root\":";
    append(out, root_);
    out += ",\"WatcherHub\":{\"EventHistory\":{\"Queue\":{\"Events\":[";
    for (int i = 0; i < kEventSlots; ++i) out += i == 0 ? "null" : ",null";
    out += fmt::format(
        "],\"Size\":0,\"Front\":0,\"Back\":0,\"Capacity\":{}}},\"StartIndex\":0,\"LastIndex\":0}}}},"
        "\"CurrentIndex\":{},",
        kEventSlots, index_);
    out +=
        "\"Stats\":{\"getsSuccess\":0,\"getsFail\":0,\"setsSuccess\":0,\"setsFail\":0,"
        "\"deleteSuccess\":0,\"deleteFail\":0,\"updateSuccess\":0,\"updateFail\":0,"
        "\"createSuccess\":0,\"createFail\":0,\"compareAndSwapSuccess\":0,\"compareAndSwapFail\":0,"
        "\"compareAndDeleteSuccess\":0,\"compareAndDeleteFail\":0,\"expireCount\":0,"
        "\"watchers\":0},\"CurrentVersion\":2}";
    return out;
  }

 private:
  Node& descend(std::string_view path, uint64_t index) {
    Node* node = &root_;
    while (!path.empty()) {
      path.remove_prefix(1);  // the slash
      const std::string_view name = path.substr(0, path.find('/'));
      path.remove_prefix(name.size());
      auto& child = node->children[std::string(name)];
      if (child == nullptr) {
        child = std::make_unique<Node>();
        child->path = (node == &root_ ? "" : node->path) + '/' + std::string(name);
        child->index = index;
      }
      node = child.get();
    }
    return *node;
  }

  static void append(std::string& out, const Node& node) {
    out += "{\"Path\":";
    json::append_string(out, node.path);
    out += fmt::format(
        ",\"CreatedIndex\":{0},\"ModifiedIndex\":{0},\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":",
        node.index);
    json::append_string(out, node.value.value_or(""));
    out += ",\"Children\":";
    if (node.value) {
      out += "null}";
      return;
    }
    char before = '{';
    for (const auto& [name, child] : node.children) {
      out += before;
      before = ',';
      json::append_string(out, name);
      out += ':';
      append(out, *child);
    }
    out += node.children.empty() ? "{}}" : "}}";
  }

  Node root_;
  uint64_t index_ = 0;
};

std::string raft_attributes(const Member& member) {
  std::string out = "{\"peerURLs\":";
  if (member.peer_urls.empty())
    out += "null";
  else
    json::append_strings(out, member.peer_urls);
  return out + (member.is_learner ? ",\"isLearner\":true}" : "}");
}

bool is_method(std::string_view text) {
  return text == "GET" || text == "PUT" || text == "POST" || text == "DELETE" || text == "QGET" ||
         text == "SYNC";
}

// The fields of a bare request; false if it is none.
bool read_request(std::string_view bytes, V2Request& request) {
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == wire::Type::varint) request.id = field.varint;
    if (field.type != wire::Type::bytes) continue;
    if (field.number == 2) request.method = field.bytes;
    if (field.number == 3) request.path = field.bytes;
    if (field.number == 4) request.value = field.bytes;
  }
  return reader.ok() && is_method(request.method);
}

}  // namespace

namespace {

using Visit = absl::FunctionRef<bool(std::string_view name, json::Reader&)>;

// A directory or a value of the dump; `child` must read what it is called with.
bool read_node(json::Reader& reader, Visit child) {
  return reader.object([&](std::string_view name, json::Reader& r) {
    return name == "Children" ? r.object(child) : r.skip();
  });
}

}  // namespace

bool holds_v2_user_data(std::string_view json) {
  bool found = false;
  const auto user_data = [&](std::string_view, json::Reader& r) {
    found = true;
    return r.skip();
  };
  const auto under_authentication = [&](std::string_view, json::Reader& r) {
    return read_node(r, user_data);
  };
  json::Reader reader(json);
  (void)reader.object([&](std::string_view top, json::Reader& r) {
    if (top != "Root") return r.skip();
    return read_node(r, [&](std::string_view name, json::Reader& node) {
      if (name == "0") return node.skip();
      if (name == "2") return read_node(node, under_authentication);
      return read_node(node, user_data);
    });
  });
  return found;
}

namespace {

bool read_value(json::Reader& reader, std::string& value) {
  return reader.object([&](std::string_view name, json::Reader& r) {
    return name == "Value" ? r.string(value) : r.skip();
  });
}

// The two values under a member's directory.
bool read_v2_member(json::Reader& reader, Member& member) {
  std::string where, who;
  const bool whole = read_node(reader, [&](std::string_view name, json::Reader& r) {
    if (name == "raftAttributes") return read_value(r, where);
    return name == kAttributes ? read_value(r, who) : r.skip();
  });
  const auto raft = parse_member(where);
  if (!whole || !raft) return false;
  member.peer_urls = raft->peer_urls;
  member.is_learner = raft->is_learner;
  if (who.empty()) return true;
  const auto attributes = parse_attributes(who);
  if (!attributes) return false;
  member.name = attributes->name;
  member.client_urls = attributes->client_urls;
  return true;
}

}  // namespace

std::optional<Cluster> from_v2_store_json(std::string_view json, ClusterId id) {
  StoredRecords records;
  const auto read_members = [&](std::string_view key, json::Reader& r) {
    Member member;
    const auto member_id = parse_member_key(key);
    if (!member_id || !read_v2_member(r, member)) return false;
    member.id = *member_id;
    records.members.emplace_back(key, to_json(member));
    return true;
  };
  const auto read_removed = [&](std::string_view key, json::Reader& r) {
    records.members_removed.emplace_back(key);
    return r.skip();
  };
  const auto read_facts = [&](std::string_view name, json::Reader& r) {
    if (name == "members") return read_node(r, read_members);
    if (name == "removed_members") return read_node(r, read_removed);
    if (name != "version") return r.skip();
    records.cluster_version.emplace();
    return read_value(r, *records.cluster_version);
  };
  json::Reader reader(json);
  const bool whole = reader.object([&](std::string_view top, json::Reader& r) {
    if (top != "Root") return r.skip();
    return read_node(r, [&](std::string_view name, json::Reader& node) {
      return name == "0" ? read_node(node, read_facts) : node.skip();
    });
  });
  if (!whole) return std::nullopt;
  auto cluster = Cluster::from_records(id, records);
  if (!cluster.ok()) return std::nullopt;
  return *std::move(cluster);
}

std::string to_v2_store_json(const Cluster& cluster) {
  Tree tree;
  tree.make_directory("/0");
  tree.make_directory("/1");
  for (const auto& [id, member] : cluster.members()) {
    const std::string path = fmt::format("{}/{}", kMembersPath, member_key(id));
    tree.set(path + "/raftAttributes", raft_attributes(member));
    if (member.is_started() || !member.client_urls.empty())
      tree.set(v2_attributes_path(id), to_json(Attributes{member.name, member.client_urls}));
  }
  for (MemberId id : cluster.removed())
    tree.set(fmt::format("{}/{}", kRemovedPath, member_key(id)), "");
  if (cluster.version()) tree.set(kV2VersionPath, cluster.version()->to_string());
  return tree.to_json();
}

std::optional<V2Request> parse_v2_request(std::string_view payload) {
  V2Request request;
  if (read_request(payload, request)) return request;
  // Wrapped: the id is the outer one's, or that of the request itself.
  V2Request inner;
  bool found = false;
  uint64_t id = 0;
  wire::Reader reader(payload);
  wire::Field field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == wire::Type::varint) id = field.varint;
    if (field.number == 2 && field.type == wire::Type::bytes)
      found = read_request(field.bytes, inner);
  }
  if (!reader.ok() || !found) return std::nullopt;
  if (inner.id == 0) inner.id = id;
  return inner;
}

std::string to_v2_put(uint64_t id, std::string_view path, std::string_view value) {
  std::string out;
  wire::Writer writer(out);
  writer.put_uint64(1, id);
  writer.put_bytes(2, "PUT");
  writer.put_bytes(3, path);
  writer.put_bytes(4, value);
  // What gogo's proto2 writes for fields that are not set; etcd's readers need none of them.
  writer.put_bool(5, false);
  writer.put_bytes(6, "");
  return out;
}

std::string v2_attributes_path(MemberId id) {
  return fmt::format("{}/{}/{}", kMembersPath, member_key(id), kAttributes);
}

std::optional<MemberId> parse_v2_attributes_path(std::string_view path) {
  if (!path.starts_with(kMembersPath)) return std::nullopt;
  path.remove_prefix(kMembersPath.size());
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos || path.substr(slash + 1) != kAttributes) return std::nullopt;
  const auto id = parse_member_key(path.substr(0, slash));
  return id && *id ? id : std::nullopt;
}

}  // namespace holdfast::membership
