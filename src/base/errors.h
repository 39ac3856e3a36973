// Every error that a client can see, in one table: gRPC code and etcd's exact text (parity section 3; etcd
// api/v3rpc/rpctypes/error.go, server/etcdserver/api/v3rpc/util.go). absl's status codes are gRPC's codes.
//
// An error travels as an absl::Status made by error(EtcdError) and is recognised again by is(status, EtcdError), as
// etcd recognises errors by identity (FWD-03).
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace holdfast {

// HOLDFAST_ERRORS(X): X(name, gRPC code on the wire, text). too_many_requests and member_not_enough_started leave the
// server as Unknown (FWD-04).
#define HOLDFAST_ERRORS(X) \
  X(empty_key, 3, "etcdserver: key is not provided") /* ERR-01 */ \
  X(key_not_found, 3, "etcdserver: key not found") /* ERR-02 */ \
  X(value_provided, 3, "etcdserver: value is provided") /* ERR-03 */ \
  X(lease_provided, 3, "etcdserver: lease is provided") /* ERR-04 */ \
  X(too_many_ops, 3, "etcdserver: too many operations in txn request") /* ERR-05 */ \
  X(duplicate_key, 3, "etcdserver: duplicate key given in txn request") /* ERR-06 */ \
  X(invalid_client_api_version, 3, "etcdserver: invalid client api version") /* ERR-07 */ \
  X(invalid_sort_option, 3, "etcdserver: invalid sort option") /* ERR-08 */ \
  X(compacted, 11, "etcdserver: mvcc: required revision has been compacted") /* ERR-09 */ \
  X(future_rev, 11, "etcdserver: mvcc: required revision is a future revision") /* ERR-10 */ \
  X(no_space, 8, "etcdserver: mvcc: database space exceeded") /* ERR-11 */ \
  X(lease_not_found, 5, "etcdserver: requested lease not found") /* ERR-12 */ \
  X(lease_exist, 9, "etcdserver: lease already exists") /* ERR-13 */ \
  X(lease_ttl_too_large, 11, "etcdserver: too large lease TTL") /* ERR-14 */ \
  X(watch_canceled, 1, "etcdserver: watch canceled") /* ERR-15 */ \
  X(member_exist, 9, "etcdserver: member ID already exist") /* ERR-16 */ \
  X(peer_url_exist, 9, "etcdserver: Peer URLs already exists") /* ERR-17 */ \
  X(member_not_enough_started, 2, "etcdserver: re-configuration failed due to not enough started members") /* ERR-18 */ \
  X(member_bad_urls, 3, "etcdserver: given member URLs are invalid") /* ERR-19 */ \
  X(member_not_found, 5, "etcdserver: member not found") /* ERR-20 */ \
  X(member_not_learner, 9, "etcdserver: can only promote a learner member") /* ERR-21 */ \
  X(learner_not_ready, 9, "etcdserver: can only promote a learner member which is in sync with leader") /* ERR-22 */ \
  X(too_many_learners, 9, "etcdserver: too many learner members in cluster") /* ERR-23 */ \
  X(cluster_id_mismatch, 9, "etcdserver: cluster ID mismatch") /* ERR-24 */ \
  X(request_too_large, 3, "etcdserver: request is too large") /* ERR-25 */ \
  X(too_many_requests, 2, "etcdserver: too many requests") /* ERR-26 */ \
  X(root_user_not_exist, 9, "etcdserver: root user does not exist") /* ERR-27 */ \
  X(root_role_not_exist, 9, "etcdserver: root user does not have root role") /* ERR-28 */ \
  X(user_already_exist, 9, "etcdserver: user name already exists") /* ERR-29 */ \
  X(user_empty, 3, "etcdserver: user name is empty") /* ERR-30 */ \
  X(user_not_found, 9, "etcdserver: user name not found") /* ERR-31 */ \
  X(role_already_exist, 9, "etcdserver: role name already exists") /* ERR-32 */ \
  X(role_not_found, 9, "etcdserver: role name not found") /* ERR-33 */ \
  X(role_empty, 3, "etcdserver: role name is empty") /* ERR-34 */ \
  X(auth_failed, 3, "etcdserver: authentication failed, invalid user ID or password") /* ERR-35 */ \
  X(permission_not_given, 3, "etcdserver: permission not given") /* ERR-36 */ \
  X(permission_denied, 7, "etcdserver: permission denied") /* ERR-37 */ \
  X(role_not_granted, 9, "etcdserver: role is not granted to the user") /* ERR-38 */ \
  X(permission_not_granted, 9, "etcdserver: permission is not granted to the role") /* ERR-39 */ \
  X(auth_not_enabled, 9, "etcdserver: authentication is not enabled") /* ERR-40 */ \
  X(invalid_auth_token, 16, "etcdserver: invalid auth token") /* ERR-41 */ \
  X(invalid_auth_mgmt, 3, "etcdserver: invalid auth management") /* ERR-42 */ \
  X(auth_old_revision, 3, "etcdserver: revision of auth store is old") /* ERR-43 */ \
  X(no_leader, 14, "etcdserver: no leader") /* ERR-44 */ \
  X(not_leader, 9, "etcdserver: not leader") /* ERR-45 */ \
  X(leader_changed, 14, "etcdserver: leader changed") /* ERR-46 */ \
  X(not_capable, 9, "etcdserver: not capable") /* ERR-47 */ \
  X(stopped, 14, "etcdserver: server stopped") /* ERR-48 */ \
  X(timeout, 14, "etcdserver: request timed out") /* ERR-49 */ \
  X(timeout_due_to_leader_fail, 14, "etcdserver: request timed out, possibly due to previous leader failure") /* ERR-50 */ \
  X(timeout_due_to_connection_lost, 14, "etcdserver: request timed out, possibly due to connection lost") /* ERR-51 */ \
  X(timeout_wait_applied_index, 14, "etcdserver: request timed out, waiting for the applied index took too long") /* ERR-52 */ \
  X(unhealthy, 14, "etcdserver: unhealthy cluster") /* ERR-53 */ \
  X(corrupt, 15, "etcdserver: corrupt cluster") /* ERR-54 */ \
  X(not_supported_for_learner, 9, "etcdserver: rpc not supported for learner") /* ERR-55 */ \
  X(bad_leader_transferee, 9, "etcdserver: bad leader transferee") /* ERR-56 */ \
  X(wrong_downgrade_version_format, 3, "etcdserver: wrong downgrade target version format") /* ERR-57 */ \
  X(invalid_downgrade_target_version, 3, "etcdserver: invalid downgrade target version") /* ERR-58 */ \
  X(cluster_version_unavailable, 9, "etcdserver: cluster version not found during downgrade") /* ERR-59 */ \
  X(downgrade_in_process, 9, "etcdserver: cluster has a downgrade job in progress") /* ERR-60 */ \
  X(no_inflight_downgrade, 9, "etcdserver: no inflight downgrade job") /* ERR-61 */ \
  X(canceled, 1, "etcdserver: request canceled") /* ERR-62 */ \
  X(deadline_exceeded, 4, "context deadline exceeded") /* ERR-63 */ \
  X(leader_transfer_timeout, 2, "etcdserver: request timed out, leader transfer took too long") /* ERR-64 */ \
  X(unknown_method, 2, "etcdserver: unknown method") /* ERR-65 */ \
  X(no_password_user, 2, "auth: authentication failed, password was given for no password user") /* ERR-66 */ \
  X(verify_only_key, 2, "auth: token signing attempted with verify-only key") /* ERR-67 */ \
  X(range_stream_custom_sort, 12, "RangeStream does not support custom sort orders") /* ERR-68 */ \
  X(range_stream_revision_filters, 12, "RangeStream does not support revision filters") /* ERR-68 */ \
  X(election_not_leader, 2, "election: not leader") /* ERR-69 */ \
  X(election_no_leader, 2, "election: no leader") /* ERR-69 */ \
  X(missing_leader_field, 2, "\"leader\" field must be provided") /* ERR-69 */ \
  X(not_primary_lessor, 2, "not a primary lessor") /* ERR-70 */

enum class EtcdError : uint8_t {
#define HOLDFAST_ERROR_NAME(name, code, text) name,
  HOLDFAST_ERRORS(HOLDFAST_ERROR_NAME)
#undef HOLDFAST_ERROR_NAME
};

absl::Status error(EtcdError which);
std::string_view text(EtcdError which);
bool is(const absl::Status& status, EtcdError which);

// Debian's Abseil is built for C++14, where absl::string_view is a type of its own; these two cross the border.
std::string_view message(const absl::Status& status);
absl::Status make_status(absl::StatusCode code, std::string_view message);

}  // namespace holdfast
