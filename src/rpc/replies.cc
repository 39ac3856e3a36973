#include "rpc/replies.h"

#include <ctime>

#include "apply/go_protobuf.h"
#include "base/errors.h"
#include "base/go_text.h"
#include "base/wire.h"
#include "fmt/format.h"
#include "google/protobuf/io/coded_stream.h"
#include "rpc.pb.h"
#include "server/request_text.h"
#include "server/request_views.h"

namespace holdfast::rpc {

namespace {

namespace pb = etcdserverpb;

constexpr std::string_view kInvalidUtf8 = "string field contains invalid UTF-8";
// Two messages a nested transaction, and --max-txn-ops bounds the nesting. Go's parser stops at
// 10,000.
constexpr int kRecursionLimit = 1000;

bool is_in_table(const absl::Status& status) {
#define HOLDFAST_IS_ERROR(name, code, text) \
  if (is(status, EtcdError::name)) return true;
  HOLDFAST_ERRORS(HOLDFAST_IS_ERROR)
#undef HOLDFAST_IS_ERROR
  return false;
}

// GEN-13's numbers; -1 where etcd has none.
struct Stats {
  int64_t request_count = -1;
  int64_t request_size = -1;
  int64_t response_count = -1;
  int64_t response_size = -1;
  std::string request;
};

// The answer to a slow request is often a large one: a number is looked up in its bytes, without an object for each pair.
int64_t number_in(std::string_view message, uint32_t field_number) {
  int64_t number = 0;
  wire::Reader reader(message);
  for (wire::Field field; reader.next(field);)
    if (field.number == field_number && field.type == wire::Type::varint) number = field.as_int64();
  return number;
}

Stats range_stats(std::string_view request, std::string_view response) {
  Stats stats{
      0, static_cast<int64_t>(request.size()), 0, static_cast<int64_t>(response.size()), {}};
  if (auto view = server::parse_range(request)) stats.request = server::loggable(*view);
  stats.response_count = number_in(response, pb::RangeResponse::kCountFieldNumber);
  return stats;
}

Stats put_stats(std::string_view request, std::string_view response) {
  Stats stats{
      1, static_cast<int64_t>(request.size()), 0, static_cast<int64_t>(response.size()), {}};
  if (auto view = server::parse_put(request)) stats.request = server::loggable(*view);
  return stats;
}

Stats delete_stats(std::string_view request, std::string_view response) {
  Stats stats{
      0, static_cast<int64_t>(request.size()), 0, static_cast<int64_t>(response.size()), {}};
  pb::DeleteRangeRequest asked;
  if (parse(request, asked)) stats.request = server::loggable(asked);
  stats.response_count = number_in(response, pb::DeleteRangeResponse::kDeletedFieldNumber);
  return stats;
}

Stats txn_stats(std::string_view request, std::string_view response) {
  Stats stats{0, 0, 0, static_cast<int64_t>(response.size()), {}};
  pb::TxnRequest asked;
  pb::TxnResponse answer;
  if (!parse(request, asked) || response.empty() || !parse(response, answer)) return stats;
  const auto& taken = answer.succeeded() ? asked.success() : asked.failure();
  stats.request_count = taken.size();
  for (const pb::RequestOp& op : taken)
    stats.request_size += static_cast<int64_t>(op.ByteSizeLong());
  stats.request = server::loggable(asked);
  return stats;
}

Stats stats_of(const net::UnaryCall& call, std::string_view response) {
  const std::string& path = call.method().path;
  if (path == "/etcdserverpb.KV/Range") return range_stats(call.request(), response);
  if (path == "/etcdserverpb.KV/Put") return put_stats(call.request(), response);
  if (path == "/etcdserverpb.KV/DeleteRange") return delete_stats(call.request(), response);
  if (path == "/etcdserverpb.KV/Txn") return txn_stats(call.request(), response);
  return {};
}

// As etcd's zap encoder writes times, in UTC.
std::string time_text(int64_t unix_nanoseconds) {
  const std::time_t seconds = static_cast<std::time_t>(unix_nanoseconds / 1'000'000'000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     unix_nanoseconds % 1'000'000'000 / 1000);
}

}  // namespace

absl::Status malformed_request(std::string_view why) {
  return make_status(absl::StatusCode::kInternal, fmt::format("grpc: error unmarshalling request: {}", why));
}

absl::Status malformed_stream_message(std::string_view why) {
  return make_status(absl::StatusCode::kInternal,
                     fmt::format("grpc: failed to unmarshal the received message: {}", why));
}

absl::Status to_wire(absl::Status status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return status;
    default:
      if (is_in_table(status)) return status;
      return make_status(absl::StatusCode::kUnknown, message(status));
  }
}

bool parse(std::string_view bytes, google::protobuf::MessageLite& message) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kRecursionLimit);
  return message.ParseFromCodedStream(&input) && input.ConsumedEntireMessage();
}

std::string_view parse_request(std::string_view bytes, google::protobuf::Message& message) {
  switch (apply::find_wire_fault(bytes, *message.GetDescriptor())) {
    case apply::WireFault::malformed:
      return kMalformed;
    case apply::WireFault::invalid_utf8:
      return kInvalidUtf8;
    case apply::WireFault::none:
      break;
  }
  if (parse(bytes, message)) return {};
  // Unknown fields that only Go reads, or nesting beyond what a transaction may have.
  const std::string known = apply::without_unknown_fields(bytes, *message.GetDescriptor());
  return parse(known, message) ? std::string_view() : kMalformed;
}

void Replies::log_request(const net::UnaryCall& call, std::string_view response,
                          env::Duration took) const {
  const Stats stats = stats_of(call, response);
  const LogLevel level = log_.enabled(LogLevel::debug) ? LogLevel::debug : LogLevel::warn;
  const int64_t started = call.executor().clock().unix_nanoseconds() - took.count();
  log_.write(level, "request stats",
             {{"start time", time_text(started)},
              {"time spent", go_duration(took)},
              {"remote", call.peer().address},
              {"response type", call.method().path},
              {"request count", stats.request_count},
              {"request size", stats.request_size},
              {"response count", stats.response_count},
              {"response size", stats.response_size},
              {"request content", stats.request}},
             __FILE__, __LINE__);
}

}  // namespace holdfast::rpc
