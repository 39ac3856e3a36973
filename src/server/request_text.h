// Requests as they appear in logs: like Go's protobuf text, with sizes in place of values (GEN-13;
// etcd raft_internal_stringer.go).
#pragma once

#include <string>

#include "server/request_views.h"

namespace etcdserverpb {
class DeleteRangeRequest;
class TxnRequest;
}  // namespace etcdserverpb

namespace holdfast::server {

std::string loggable(const RangeView& request);
std::string loggable(const PutView& request);
std::string loggable(const etcdserverpb::DeleteRangeRequest& request);
std::string loggable(const etcdserverpb::TxnRequest& request);

}  // namespace holdfast::server
