// What clients match on: codes and texts, written down once more as etcd's documentation and clients have them.
#include "base/errors.h"

#include <set>

#include "gtest/gtest.h"

namespace holdfast {
namespace {

using Code = absl::StatusCode;

struct Row {
  EtcdError error;
  Code code;
  std::string_view text;
};

constexpr Row kRows[] = {
    {EtcdError::empty_key, Code::kInvalidArgument, "etcdserver: key is not provided"},  // ERR-01
    {EtcdError::key_not_found, Code::kInvalidArgument, "etcdserver: key not found"},  // ERR-02
    {EtcdError::value_provided, Code::kInvalidArgument, "etcdserver: value is provided"},  // ERR-03
    {EtcdError::lease_provided, Code::kInvalidArgument, "etcdserver: lease is provided"},  // ERR-04
    {EtcdError::too_many_ops, Code::kInvalidArgument, "etcdserver: too many operations in txn request"},  // ERR-05
    {EtcdError::duplicate_key, Code::kInvalidArgument, "etcdserver: duplicate key given in txn request"},  // ERR-06
    {EtcdError::invalid_client_api_version, Code::kInvalidArgument,  // ERR-07
     "etcdserver: invalid client api version"},
    {EtcdError::invalid_sort_option, Code::kInvalidArgument, "etcdserver: invalid sort option"},  // ERR-08
    {EtcdError::compacted, Code::kOutOfRange, "etcdserver: mvcc: required revision has been compacted"},  // ERR-09
    {EtcdError::future_rev, Code::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"},  // ERR-10
    {EtcdError::no_space, Code::kResourceExhausted, "etcdserver: mvcc: database space exceeded"},  // ERR-11
    {EtcdError::lease_not_found, Code::kNotFound, "etcdserver: requested lease not found"},  // ERR-12
    {EtcdError::lease_exist, Code::kFailedPrecondition, "etcdserver: lease already exists"},  // ERR-13
    {EtcdError::lease_ttl_too_large, Code::kOutOfRange, "etcdserver: too large lease TTL"},  // ERR-14
    {EtcdError::watch_canceled, Code::kCancelled, "etcdserver: watch canceled"},  // ERR-15
    {EtcdError::member_exist, Code::kFailedPrecondition, "etcdserver: member ID already exist"},  // ERR-16
    {EtcdError::peer_url_exist, Code::kFailedPrecondition, "etcdserver: Peer URLs already exists"},  // ERR-17
    {EtcdError::member_not_enough_started, Code::kUnknown,  // ERR-18
     "etcdserver: re-configuration failed due to not enough started members"},
    {EtcdError::member_bad_urls, Code::kInvalidArgument, "etcdserver: given member URLs are invalid"},  // ERR-19
    {EtcdError::member_not_found, Code::kNotFound, "etcdserver: member not found"},  // ERR-20
    {EtcdError::member_not_learner, Code::kFailedPrecondition,  // ERR-21
     "etcdserver: can only promote a learner member"},
    {EtcdError::learner_not_ready, Code::kFailedPrecondition,  // ERR-22
     "etcdserver: can only promote a learner member which is in sync with leader"},
    {EtcdError::too_many_learners, Code::kFailedPrecondition,  // ERR-23
     "etcdserver: too many learner members in cluster"},
    {EtcdError::cluster_id_mismatch, Code::kFailedPrecondition, "etcdserver: cluster ID mismatch"},  // ERR-24
    {EtcdError::request_too_large, Code::kInvalidArgument, "etcdserver: request is too large"},  // ERR-25
    {EtcdError::too_many_requests, Code::kUnknown, "etcdserver: too many requests"},  // ERR-26
    {EtcdError::root_user_not_exist, Code::kFailedPrecondition, "etcdserver: root user does not exist"},  // ERR-27
    {EtcdError::root_role_not_exist, Code::kFailedPrecondition,  // ERR-28
     "etcdserver: root user does not have root role"},
    {EtcdError::user_already_exist, Code::kFailedPrecondition, "etcdserver: user name already exists"},  // ERR-29
    {EtcdError::user_empty, Code::kInvalidArgument, "etcdserver: user name is empty"},  // ERR-30
    {EtcdError::user_not_found, Code::kFailedPrecondition, "etcdserver: user name not found"},  // ERR-31
    {EtcdError::role_already_exist, Code::kFailedPrecondition, "etcdserver: role name already exists"},  // ERR-32
    {EtcdError::role_not_found, Code::kFailedPrecondition, "etcdserver: role name not found"},  // ERR-33
    {EtcdError::role_empty, Code::kInvalidArgument, "etcdserver: role name is empty"},  // ERR-34
    {EtcdError::auth_failed, Code::kInvalidArgument,  // ERR-35
     "etcdserver: authentication failed, invalid user ID or password"},
    {EtcdError::permission_not_given, Code::kInvalidArgument, "etcdserver: permission not given"},  // ERR-36
    {EtcdError::permission_denied, Code::kPermissionDenied, "etcdserver: permission denied"},  // ERR-37
    {EtcdError::role_not_granted, Code::kFailedPrecondition,  // ERR-38
     "etcdserver: role is not granted to the user"},
    {EtcdError::permission_not_granted, Code::kFailedPrecondition,  // ERR-39
     "etcdserver: permission is not granted to the role"},
    {EtcdError::auth_not_enabled, Code::kFailedPrecondition, "etcdserver: authentication is not enabled"},  // ERR-40
    {EtcdError::invalid_auth_token, Code::kUnauthenticated, "etcdserver: invalid auth token"},  // ERR-41
    {EtcdError::invalid_auth_mgmt, Code::kInvalidArgument, "etcdserver: invalid auth management"},  // ERR-42
    {EtcdError::auth_old_revision, Code::kInvalidArgument, "etcdserver: revision of auth store is old"},  // ERR-43
    {EtcdError::no_leader, Code::kUnavailable, "etcdserver: no leader"},  // ERR-44
    {EtcdError::not_leader, Code::kFailedPrecondition, "etcdserver: not leader"},  // ERR-45
    {EtcdError::leader_changed, Code::kUnavailable, "etcdserver: leader changed"},  // ERR-46
    {EtcdError::not_capable, Code::kFailedPrecondition, "etcdserver: not capable"},  // ERR-47
    {EtcdError::stopped, Code::kUnavailable, "etcdserver: server stopped"},  // ERR-48
    {EtcdError::timeout, Code::kUnavailable, "etcdserver: request timed out"},  // ERR-49
    {EtcdError::timeout_due_to_leader_fail, Code::kUnavailable,  // ERR-50
     "etcdserver: request timed out, possibly due to previous leader failure"},
    {EtcdError::timeout_due_to_connection_lost, Code::kUnavailable,  // ERR-51
     "etcdserver: request timed out, possibly due to connection lost"},
    {EtcdError::timeout_wait_applied_index, Code::kUnavailable,  // ERR-52
     "etcdserver: request timed out, waiting for the applied index took too long"},
    {EtcdError::unhealthy, Code::kUnavailable, "etcdserver: unhealthy cluster"},  // ERR-53
    {EtcdError::corrupt, Code::kDataLoss, "etcdserver: corrupt cluster"},  // ERR-54
    {EtcdError::not_supported_for_learner, Code::kFailedPrecondition,  // ERR-55
     "etcdserver: rpc not supported for learner"},
    {EtcdError::bad_leader_transferee, Code::kFailedPrecondition, "etcdserver: bad leader transferee"},  // ERR-56
    {EtcdError::wrong_downgrade_version_format, Code::kInvalidArgument,  // ERR-57
     "etcdserver: wrong downgrade target version format"},
    {EtcdError::invalid_downgrade_target_version, Code::kInvalidArgument,  // ERR-58
     "etcdserver: invalid downgrade target version"},
    {EtcdError::cluster_version_unavailable, Code::kFailedPrecondition,  // ERR-59
     "etcdserver: cluster version not found during downgrade"},
    {EtcdError::downgrade_in_process, Code::kFailedPrecondition,  // ERR-60
     "etcdserver: cluster has a downgrade job in progress"},
    {EtcdError::no_inflight_downgrade, Code::kFailedPrecondition, "etcdserver: no inflight downgrade job"},  // ERR-61
    {EtcdError::canceled, Code::kCancelled, "etcdserver: request canceled"},  // ERR-62
    {EtcdError::deadline_exceeded, Code::kDeadlineExceeded, "context deadline exceeded"},  // ERR-63
    {EtcdError::leader_transfer_timeout, Code::kUnknown,  // ERR-64
     "etcdserver: request timed out, leader transfer took too long"},
    {EtcdError::unknown_method, Code::kUnknown, "etcdserver: unknown method"},  // ERR-65
    {EtcdError::no_password_user, Code::kUnknown,  // ERR-66
     "auth: authentication failed, password was given for no password user"},
    {EtcdError::verify_only_key, Code::kUnknown, "auth: token signing attempted with verify-only key"},  // ERR-67
    {EtcdError::range_stream_custom_sort, Code::kUnimplemented,  // ERR-68
     "RangeStream does not support custom sort orders"},
    {EtcdError::range_stream_revision_filters, Code::kUnimplemented,  // ERR-68
     "RangeStream does not support revision filters"},
    {EtcdError::election_not_leader, Code::kUnknown, "election: not leader"},  // ERR-69
    {EtcdError::election_no_leader, Code::kUnknown, "election: no leader"},  // ERR-69
    {EtcdError::missing_leader_field, Code::kUnknown, "\"leader\" field must be provided"},  // ERR-69
    {EtcdError::not_primary_lessor, Code::kUnknown, "not a primary lessor"},  // ERR-70
};

// FWD-03, FWD-04, CSV-01, TRP-03
TEST(Errors, CodesAndTexts) {
  for (const Row& row : kRows) {
    const absl::Status status = error(row.error);
    EXPECT_EQ(status.code(), row.code) << row.text;
    EXPECT_EQ(message(status), row.text);
    EXPECT_EQ(text(row.error), row.text);
  }
}

// ERR-71: Go's client has no error of its own for these, so that a user sees code and text as they were sent.
TEST(Errors, ThatGoClientsShowRaw) {
  const auto shown = [](EtcdError e) { return std::pair(error(e).code(), std::string(message(error(e)))); };
  EXPECT_EQ(shown(EtcdError::permission_not_given), std::pair(Code::kInvalidArgument, std::string("etcdserver: permission not given")));
  EXPECT_EQ(shown(EtcdError::invalid_client_api_version),
            std::pair(Code::kInvalidArgument, std::string("etcdserver: invalid client api version")));
  EXPECT_EQ(shown(EtcdError::timeout_wait_applied_index),
            std::pair(Code::kUnavailable,
                      std::string("etcdserver: request timed out, waiting for the applied index took too long")));
  EXPECT_EQ(shown(EtcdError::watch_canceled), std::pair(Code::kCancelled, std::string("etcdserver: watch canceled")));
  EXPECT_EQ(shown(EtcdError::canceled), std::pair(Code::kCancelled, std::string("etcdserver: request canceled")));
  EXPECT_EQ(shown(EtcdError::deadline_exceeded), std::pair(Code::kDeadlineExceeded, std::string("context deadline exceeded")));
}

TEST(Errors, AreKnownAgainAndToldApart) {
  std::set<std::string_view> texts;
  for (const Row& row : kRows) {
    EXPECT_TRUE(texts.insert(row.text).second) << row.text;
    for (const Row& other : kRows) EXPECT_EQ(is(error(row.error), other.error), row.error == other.error);
  }
  EXPECT_FALSE(is(absl::OkStatus(), EtcdError::empty_key));
  EXPECT_FALSE(is(make_status(Code::kUnknown, text(EtcdError::empty_key)), EtcdError::empty_key));
}

TEST(Errors, TheTableIsWhole) {
  size_t errors = 0;
#define HOLDFAST_COUNT(name, code, text) ++errors;
  HOLDFAST_ERRORS(HOLDFAST_COUNT)
#undef HOLDFAST_COUNT
  EXPECT_EQ(errors, std::size(kRows));
}

}  // namespace
}  // namespace holdfast
