// An entry's InternalRaftRequest, parsed once. The common one, a put, is read from the bytes as they are; any other goes
// through protobuf on an arena that is used again for the next entry.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "apply/authorizer.h"
#include "apply/put.h"

namespace etcdserverpb {
class InternalRaftRequest;
}

namespace google::protobuf {
class Arena;
}

namespace holdfast::apply {

// Field numbers of InternalRaftRequest.
enum class CommandKind : uint32_t {
  none = 0,
  v2 = 2,  // a request of etcd's v2 API that says nothing about the cluster: without effect
  range = 3,
  put = 4,
  delete_range = 5,
  txn = 6,
  compaction = 7,
  lease_grant = 8,
  lease_revoke = 9,
  alarm = 10,
  lease_checkpoint = 11,
  auth_enable = 1000,
  auth_disable = 1011,
  authenticate = 1012,
  auth_status = 1013,
  auth_user_add = 1100,
  auth_user_delete = 1101,
  auth_user_get = 1102,
  auth_user_change_password = 1103,
  auth_user_grant_role = 1104,
  auth_user_revoke_role = 1105,
  auth_user_list = 1106,
  auth_role_list = 1107,
  auth_role_add = 1200,
  auth_role_delete = 1201,
  auth_role_get = 1202,
  auth_role_grant_permission = 1203,
  auth_role_revoke_permission = 1204,
  cluster_version_set = 1300,
  cluster_member_attr_set = 1301,
  downgrade_info_set = 1302,
  downgrade_version_test = 9900
};
// As the label `op` of metrics has it: "Put", "LeaseGrant", ...
std::string_view operation_name(CommandKind kind);

class ParsedRequest {
 public:
  ParsedRequest();
  ~ParsedRequest();
  ParsedRequest(const ParsedRequest&) = delete;
  ParsedRequest& operator=(const ParsedRequest&) = delete;

  // `data`: an entry's payload, not empty; it is pointed into until the next parse(). False if it is no
  // InternalRaftRequest or has no id, for which etcd panics. What members before 3.6 say about the cluster in v2 requests
  // is read as the command that later ones send (MEM-10).
  bool parse(std::string_view data);

  uint64_t id() const { return id_; }  // PUT-05
  const Caller& caller() const { return caller_; }
  CommandKind kind() const { return kind_; }
  const PutCommand& put() const { return put_; }  // of kind put
  // Of every other kind.
  const etcdserverpb::InternalRaftRequest& message() const { return *message_; }
  std::string_view bytes() const { return bytes_; }

 private:
  bool parse_fast();
  bool parse_v2();
  bool parse_header(std::string_view bytes);
  bool parse_put(std::string_view bytes);

  std::unique_ptr<google::protobuf::Arena> arena_;
  std::string_view bytes_;
  uint64_t id_ = 0;
  Caller caller_;
  CommandKind kind_ = CommandKind::none;
  PutCommand put_;
  const etcdserverpb::InternalRaftRequest* message_ = nullptr;  // in arena_
};

}  // namespace holdfast::apply
