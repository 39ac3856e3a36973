#include "rpc/watch_requests.h"

#include <string>

#include "base/errors.h"
#include "fmt/format.h"
#include "rpc.pb.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

constexpr std::string_view kSmallestKey("\0", 1);

// As Go prints a gRPC status error (TRP-15). Errors that a watch can't have are "permission denied".
std::string permission_failure(const absl::Status& status) {
  if (is(status, EtcdError::invalid_auth_token))
    return fmt::format("rpc error: code = Unauthenticated desc = {}", text(EtcdError::invalid_auth_token));
  for (const EtcdError known : {EtcdError::auth_old_revision, EtcdError::user_empty})
    if (is(status, known)) return fmt::format("rpc error: code = InvalidArgument desc = {}", text(known));
  return fmt::format("rpc error: code = PermissionDenied desc = {}", text(EtcdError::permission_denied));
}

}  // namespace

WatchRequests::WatchRequests(Parts parts, mvcc::WatchSink& sink, env::Duration progress_jitter)
    : parts_(std::move(parts)), stream_(parts_.hub->open(sink, progress_jitter)) {}

WatchRequests::~WatchRequests() { close(); }

void WatchRequests::close() {
  if (stream_ != nullptr) parts_.hub->close(std::exchange(stream_, nullptr));
}

void WatchRequests::on_drained() {
  if (stream_ != nullptr) parts_.hub->on_drained(*stream_);
}

void WatchRequests::handle(const pb::WatchRequest& request) {
  if (stream_ == nullptr) return;
  switch (request.request_union_case()) {
    case pb::WatchRequest::kCreateRequest:
      return create(request.create_request());
    case pb::WatchRequest::kCancelRequest:
      return parts_.hub->cancel(*stream_, request.cancel_request().watch_id());
    case pb::WatchRequest::kProgressRequest:
      return parts_.hub->request_progress(*stream_);
    case pb::WatchRequest::REQUEST_UNION_NOT_SET:
      // A client newer than this server may ask what it doesn't know; its watchers go on.
      parts_.log.info("invalid watch request type <nil> received in gRPC stream");
  }
}

absl::Status WatchRequests::check_permission(std::string_view key, std::string_view end) const {
  const auto who = parts_.identify();
  if (!who.ok()) return who.status();
  return parts_.v3.may_watch(*who, key, end);
}

void WatchRequests::create(const pb::WatchCreateRequest& request) {
  const std::string_view key = request.key().empty() ? kSmallestKey : std::string_view(request.key());
  if (request.start_revision() < 0) return parts_.hub->refuse(*stream_, text(EtcdError::compacted));
  if (const absl::Status status = check_permission(key, request.range_end()); !status.ok()) {
    if (permission_failure(status) == permission_failure(error(EtcdError::permission_denied)) &&
        !is(status, EtcdError::permission_denied))
      parts_.log.error("unexpected error code", {{"error", message(status)}});
    return parts_.hub->refuse(*stream_, permission_failure(status));
  }
  mvcc::WatchOptions watch;
  watch.key = key;
  watch.end = request.range_end();
  watch.id = request.watch_id();
  watch.start = Revision(request.start_revision());
  watch.prev_kv = request.prev_kv();
  watch.fragment = request.fragment();
  watch.progress_notify = request.progress_notify();
  for (const int filter : request.filters()) {
    watch.no_put |= filter == pb::WatchCreateRequest::NOPUT;
    watch.no_delete |= filter == pb::WatchCreateRequest::NODELETE;
  }
  parts_.hub->create(*stream_, watch);
}

}  // namespace holdfast::rpc
