#include "apply/parsed_request.h"

#include <array>
#include <utility>

#include "apply/go_protobuf.h"
#include "base/wire.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/io/coded_stream.h"
#include "membership/v2_store.h"
#include "raft_internal.pb.h"

namespace holdfast::apply {

namespace {

namespace pb = etcdserverpb;
using wire::Field;
using wire::Type;

constexpr uint32_t kIdField = 1;
constexpr uint32_t kHeaderField = 100;

// Txns may be nested as deep as --max-txn-ops allows; Go's limit, above C++'s default of 100.
constexpr int kNestingMax = 10'000;

// What an arena keeps between two entries, so that most need no allocation of blocks.
constexpr size_t kArenaBlockBytes = 16 * 1024;

template <class Message>
using Has = bool (Message::*)() const;

struct Command {
  CommandKind kind;
  std::string_view name;
  Has<pb::InternalRaftRequest> is_set;
};
using R = pb::InternalRaftRequest;

// In the order in which etcd looks for them (uber_applier.go), should there be more than one.
constexpr std::array kCommands = {
    Command{CommandKind::cluster_version_set, "ClusterVersionSet", &R::has_cluster_version_set},
    Command{CommandKind::cluster_member_attr_set, "ClusterMemberAttrSet",
            &R::has_cluster_member_attr_set},
    Command{CommandKind::downgrade_info_set, "DowngradeInfoSet", &R::has_downgrade_info_set},
    Command{CommandKind::downgrade_version_test, "DowngradeVersionTest",
            &R::has_downgrade_version_test},
    Command{CommandKind::range, "Range", &R::has_range},
    Command{CommandKind::put, "Put", &R::has_put},
    Command{CommandKind::delete_range, "DeleteRange", &R::has_delete_range},
    Command{CommandKind::txn, "Txn", &R::has_txn},
    Command{CommandKind::compaction, "Compaction", &R::has_compaction},
    Command{CommandKind::lease_grant, "LeaseGrant", &R::has_lease_grant},
    Command{CommandKind::lease_revoke, "LeaseRevoke", &R::has_lease_revoke},
    Command{CommandKind::lease_checkpoint, "LeaseCheckpoint", &R::has_lease_checkpoint},
    Command{CommandKind::alarm, "Alarm", &R::has_alarm},
    Command{CommandKind::authenticate, "Authenticate", &R::has_authenticate},
    Command{CommandKind::auth_enable, "AuthEnable", &R::has_auth_enable},
    Command{CommandKind::auth_disable, "AuthDisable", &R::has_auth_disable},
    Command{CommandKind::auth_status, "AuthStatus", &R::has_auth_status},
    Command{CommandKind::auth_user_add, "AuthUserAdd", &R::has_auth_user_add},
    Command{CommandKind::auth_user_delete, "AuthUserDelete", &R::has_auth_user_delete},
    Command{CommandKind::auth_user_change_password, "AuthUserChangePassword",
            &R::has_auth_user_change_password},
    Command{CommandKind::auth_user_grant_role, "AuthUserGrantRole", &R::has_auth_user_grant_role},
    Command{CommandKind::auth_user_get, "AuthUserGet", &R::has_auth_user_get},
    Command{CommandKind::auth_user_revoke_role, "AuthUserRevokeRole",
            &R::has_auth_user_revoke_role},
    Command{CommandKind::auth_role_add, "AuthRoleAdd", &R::has_auth_role_add},
    Command{CommandKind::auth_role_grant_permission, "AuthRoleGrantPermission",
            &R::has_auth_role_grant_permission},
    Command{CommandKind::auth_role_get, "AuthRoleGet", &R::has_auth_role_get},
    Command{CommandKind::auth_role_revoke_permission, "AuthRoleRevokePermission",
            &R::has_auth_role_revoke_permission},
    Command{CommandKind::auth_role_delete, "AuthRoleDelete", &R::has_auth_role_delete},
    Command{CommandKind::auth_user_list, "AuthUserList", &R::has_auth_user_list},
    Command{CommandKind::auth_role_list, "AuthRoleList", &R::has_auth_role_list},
};

}  // namespace

std::string_view operation_name(CommandKind kind) {
  if (kind == CommandKind::put) return "Put";
  if (kind == CommandKind::v2) return "V2";
  for (const Command& command : kCommands)
    if (command.kind == kind) return command.name;
  return "unknown";
}

ParsedRequest::ParsedRequest() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = kArenaBlockBytes;
  arena_ = std::make_unique<google::protobuf::Arena>(options);
}
ParsedRequest::~ParsedRequest() = default;

namespace {

bool parse_whole(std::string_view data, pb::InternalRaftRequest& message) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(data.data()),
                                               static_cast<int>(data.size()));
  input.SetRecursionLimit(kNestingMax);
  return message.ParseFromCodedStream(&input) && input.ConsumedEntireMessage();
}

}  // namespace

bool ParsedRequest::parse(std::string_view data) {
  if (message_ != nullptr) {
    message_ = nullptr;
    arena_->Reset();
  }
  bytes_ = data;
  if (parse_fast()) return true;  // it has a header
  if (parse_v2()) return true;

  auto* message = google::protobuf::Arena::CreateMessage<pb::InternalRaftRequest>(arena_.get());
  message_ = message;
  if (!parse_whole(data, *message)) {
    // Unknown fields in a form that only Go reads: a client of one of etcd's members may have sent them.
    const google::protobuf::Descriptor& type = *message->GetDescriptor();
    if (find_wire_fault(data, type) != WireFault::none) return false;
    message->Clear();
    if (!parse_whole(without_unknown_fields(data, type), *message)) return false;
  }
  id_ = message->id() != 0 ? message->id() : message->header().id();
  caller_ = {message->header().username(), message->header().auth_revision()};
  kind_ = CommandKind::none;
  for (const Command& command : kCommands) {
    if (!(message->*command.is_set)()) continue;
    kind_ = command.kind;
    break;
  }
  if (kind_ == CommandKind::put) put_ = view_of(message->put());
  return id_ != 0 || message->has_header();
}

// As etcd 3.6's v2ToV3Request.
bool ParsedRequest::parse_v2() {
  const auto request = membership::parse_v2_request(bytes_);
  if (!request) return false;
  id_ = request->id;
  caller_ = {};
  kind_ = CommandKind::v2;
  auto* message = google::protobuf::Arena::CreateMessage<pb::InternalRaftRequest>(arena_.get());
  message_ = message;
  if (request->method != "PUT") return true;
  if (request->path == membership::kV2VersionPath) {
    message->mutable_cluster_version_set()->set_ver(std::string(request->value));
    kind_ = CommandKind::cluster_version_set;
  } else if (const auto member = membership::parse_v2_attributes_path(request->path)) {
    const auto attributes = membership::parse_attributes(request->value);
    if (!attributes) return false;
    auto* set = message->mutable_cluster_member_attr_set();
    set->set_member_id(member->value);
    set->mutable_member_attributes()->set_name(attributes->name);
    for (const std::string& url : attributes->client_urls)
      set->mutable_member_attributes()->add_client_urls(url);
    kind_ = CommandKind::cluster_member_attr_set;
  }
  return true;
}

// Only what every proposer sends: a header and a put, each once.
bool ParsedRequest::parse_fast() {
  id_ = 0;
  caller_ = {};
  kind_ = CommandKind::none;
  put_ = {};
  uint64_t old_id = 0;
  bool has_header = false;
  wire::Reader reader(bytes_);
  Field field;
  while (reader.next(field)) {
    if (field.number == kHeaderField && field.type == Type::bytes && !has_header) {
      has_header = true;
      if (!parse_header(field.bytes)) return false;
    } else if (field.number == static_cast<uint32_t>(CommandKind::put) &&
               field.type == Type::bytes && kind_ == CommandKind::none) {
      kind_ = CommandKind::put;
      if (!parse_put(field.bytes)) return false;
    } else if (field.number == kIdField && field.type == Type::varint) {
      old_id = field.varint;
    } else {
      return false;
    }
  }
  if (old_id != 0) id_ = old_id;
  return reader.ok() && has_header && kind_ == CommandKind::put;
}

bool ParsedRequest::parse_header(std::string_view bytes) {
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.number == 1 && field.type == Type::varint)
      id_ = field.varint;
    else if (field.number == 2 && field.type == Type::bytes)
      caller_.username = field.bytes;
    else if (field.number == 3 && field.type == Type::varint)
      caller_.auth_revision = field.varint;
  }
  return reader.ok();
}

bool ParsedRequest::parse_put(std::string_view bytes) {
  wire::Reader reader(bytes);
  Field field;
  while (reader.next(field)) {
    if (field.type == Type::bytes) {
      if (field.number == 1) put_.key = field.bytes;
      if (field.number == 2) put_.value = field.bytes;
    } else if (field.type == Type::varint) {
      if (field.number == 3) put_.lease = LeaseId(field.as_int64());
      if (field.number == 4) put_.prev_kv = field.as_bool();
      if (field.number == 5) put_.ignore_value = field.as_bool();
      if (field.number == 6) put_.ignore_lease = field.as_bool();
    }
  }
  return reader.ok();
}

}  // namespace holdfast::apply
