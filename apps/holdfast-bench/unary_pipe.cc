#include "apps/holdfast-bench/unary_pipe.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "fmt/format.h"
#include "net/grpc_wire.h"
#include "net/http2_fields.h"

namespace holdfast::bench {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr uint32_t kConnectionWindow = 16 * 1024 * 1024;
constexpr uint32_t kFirstConnectionWindow = 65'535;  // RFC 9113 6.9.2
constexpr uint32_t kFrameBytesMax = 16'384;          // the server's, as we ask for no more
// Calls under way on one pipe; a power of two.
constexpr size_t kCallsMax = 4096;

std::string number(uint64_t value, size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[bytes - 1 - i] = static_cast<char>(value >> 8 * i);
  return out;
}

uint32_t number_at(std::string_view bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = at; i < at + size; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

UnaryPipeProtocol::UnaryPipeProtocol(const Target& target, UnaryPipeEvents& events, std::function<void()> flush)
    : events_(&events), flush_(std::move(flush)), calls_(kCallsMax) {
  CHECK(nghttp2_hd_deflate_new(&deflater_, 4096) == 0 && nghttp2_hd_inflate_new(&inflater_) == 0, "nghttp2: no memory");
  first_fields_ = compress(target);  // enters them into the table
  fields_ = compress(target);        // the same from now on: places in the table
  out_ = kPreface;
  append_frame(NGHTTP2_SETTINGS, 0, 0, number(NGHTTP2_SETTINGS_ENABLE_PUSH, 2) + number(0, 4));
  append_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(kConnectionWindow - kFirstConnectionWindow, 4));
}

UnaryPipeProtocol::~UnaryPipeProtocol() {
  nghttp2_hd_deflate_del(deflater_);
  nghttp2_hd_inflate_del(inflater_);
}

std::string UnaryPipeProtocol::compress(const Target& target) {
  const nghttp2_nv fields[] = {net::fixed_field(":method", "POST"),
                               net::fixed_field(":scheme", "http"),
                               net::fixed_field(":path", target.path),
                               net::fixed_field(":authority", target.authority),
                               net::fixed_field("content-type", "application/grpc"),
                               net::fixed_field("te", "trailers"),
                               net::fixed_field("user-agent", "holdfast")};
  std::string out(nghttp2_hd_deflate_bound(deflater_, fields, std::size(fields)), '\0');
  const ssize_t size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(out.data()), out.size(), fields,
                                             std::size(fields));
  CHECK(size > 0, "nghttp2: {}", nghttp2_strerror(static_cast<int>(size)));
  out.resize(static_cast<size_t>(size));
  return out;
}

void UnaryPipeProtocol::append_frame_header(uint8_t type, uint8_t flags, uint32_t stream, size_t size) {
  const char header[net::kFrameHeaderBytes] = {
      static_cast<char>(size >> 16),   static_cast<char>(size >> 8),    static_cast<char>(size),
      static_cast<char>(type),         static_cast<char>(flags),        static_cast<char>(stream >> 24),
      static_cast<char>(stream >> 16), static_cast<char>(stream >> 8), static_cast<char>(stream)};
  out_.append(header, sizeof header);
}

void UnaryPipeProtocol::append_frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  append_frame_header(type, flags, stream, payload.size());
  out_.append(payload);
}

UnaryPipeProtocol::Call* UnaryPipeProtocol::find(uint32_t stream) {
  Call& call = calls_[stream / 2 % kCallsMax];
  return stream % 2 == 1 && stream < next_stream_ && call.open ? &call : nullptr;
}

bool UnaryPipeProtocol::call(std::string_view request, env::Instant began) {
  CHECK(request.size() <= kPipeRequestBytesMax, "a request of {} bytes", request.size());
  const auto size = static_cast<int64_t>(net::MessageReader::kPrefixBytes + request.size());
  Call& call = calls_[next_stream_ / 2 % kCallsMax];
  short_of_window_ = window_ < size || call.open;
  if (short_of_window_ || failed_) return false;
  window_ -= size;
  call = {.began = began, .open = true};
  ++under_way_;
  const std::string& fields = next_stream_ == 1 ? first_fields_ : fields_;
  append_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, next_stream_, fields);
  char prefix[net::MessageReader::kPrefixBytes];
  net::write_message_prefix(prefix, request.size());
  append_frame_header(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, next_stream_, static_cast<size_t>(size));
  out_.append(prefix, sizeof prefix);
  out_.append(request);
  next_stream_ += 2;
  flush_();
  return true;
}

bool UnaryPipeProtocol::produce(std::string& out, size_t) {
  out.append(out_);
  out_.clear();
  return false;
}

void UnaryPipeProtocol::fail(std::string_view why) {
  if (std::exchange(failed_, true)) return;
  if (events_) events_->on_failure(why);
  flush_();
}

void UnaryPipeProtocol::on_closed() { fail("the server closed the connection"); }

void UnaryPipeProtocol::on_input(std::string_view bytes) {
  std::string joined;
  if (!partial_.empty()) {
    joined = std::exchange(partial_, {});
    joined.append(bytes);
    bytes = joined;
  }
  while (!failed_ && bytes.size() >= net::kFrameHeaderBytes) {
    const uint32_t size = number_at(bytes, 0, 3);
    if (size > kFrameBytesMax) return fail("a frame that is too long");
    if (bytes.size() < net::kFrameHeaderBytes + size) break;
    on_frame({static_cast<uint8_t>(bytes[3]), static_cast<uint8_t>(bytes[4]), number_at(bytes, 5, 4),
              bytes.substr(net::kFrameHeaderBytes, size)});
    bytes.remove_prefix(net::kFrameHeaderBytes + size);
  }
  partial_ = bytes;
  if (owed_ > kConnectionWindow / 2) append_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(std::exchange(owed_, 0), 4));
  if (!out_.empty()) flush_();
}

void UnaryPipeProtocol::on_frame(const Frame& frame) {
  if (frame.flags & NGHTTP2_FLAG_PADDED && frame.type <= NGHTTP2_HEADERS) return fail("a padded frame");
  switch (frame.type) {
    case NGHTTP2_DATA: return on_data(frame);
    case NGHTTP2_HEADERS: return on_headers(frame);
    case NGHTTP2_SETTINGS: return on_settings(frame);
    case NGHTTP2_WINDOW_UPDATE: return on_window(frame);
    case NGHTTP2_PING:
      if (!(frame.flags & NGHTTP2_FLAG_ACK)) append_frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame.payload);
      return;
    case NGHTTP2_RST_STREAM:
      // Behind a whole answer it may come, and means nothing.
      if (find(frame.stream) != nullptr) fail("a call was reset");
      return;
    default: return fail(fmt::format("a frame of type {}", frame.type));
  }
}

void UnaryPipeProtocol::on_data(const Frame& frame) {
  owed_ += static_cast<uint32_t>(frame.payload.size());
  if (Call* call = find(frame.stream)) call->message_bytes += static_cast<uint32_t>(frame.payload.size());
  if (frame.flags & NGHTTP2_FLAG_END_STREAM) fail("an answer without trailers");
}

void UnaryPipeProtocol::on_headers(const Frame& frame) {
  if (!(frame.flags & NGHTTP2_FLAG_END_HEADERS) || (frame.flags & NGHTTP2_FLAG_PRIORITY))
    return fail("headers in pieces, or with a priority");
  const auto* in = reinterpret_cast<const uint8_t*>(frame.payload.data());
  size_t left = frame.payload.size();
  std::string status, text;
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, in, left, 1);
    if (used < 0) return fail("headers that can't be read");
    in += used;
    left -= static_cast<size_t>(used);
    if (flags & NGHTTP2_HD_INFLATE_EMIT) {
      const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
      const std::string_view value(reinterpret_cast<const char*>(field.value), field.valuelen);
      if (name == "grpc-status") status = value;
      if (name == "grpc-message") text = value;
    }
    if (flags & NGHTTP2_HD_INFLATE_FINAL) {
      nghttp2_hd_inflate_end_headers(inflater_);
      break;
    }
    if (left == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT)) break;
  }
  if (!(frame.flags & NGHTTP2_FLAG_END_STREAM)) return;
  if (status != "0") return fail(fmt::format("a call failed with status {}: {}", status, net::percent_decode(text)));
  Call* call = find(frame.stream);
  if (call == nullptr) return fail("an answer to no call");
  if (call->message_bytes < net::MessageReader::kPrefixBytes) return fail("an answer without a message");
  call->open = false;
  --under_way_;
  if (events_) events_->on_answer(call->began);
}

void UnaryPipeProtocol::on_settings(const Frame& frame) {
  // The first window of a stream and the size of a frame are never below what a request takes; our table is full with
  // the fields of one call, whatever size the server allows from its default on.
  if (!(frame.flags & NGHTTP2_FLAG_ACK)) append_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, {});
}

void UnaryPipeProtocol::on_window(const Frame& frame) {
  if (frame.stream != 0 || frame.payload.size() != 4) return;
  window_ += number_at(frame.payload, 0, 4) & 0x7fffffff;
  if (std::exchange(short_of_window_, false) && events_) events_->on_ready();
}

// ---- the connection

struct UnaryPipe::Shared {
  UnaryPipe* pipe;  // null: gone
};

UnaryPipe::UnaryPipe(net::IoThread& thread, const net::ConnectTarget& target, std::string path, UnaryPipeEvents& events)
    : shared_(std::make_shared<Shared>(Shared{this})) {  // with the attempt to connect
  net::connect(target, {.thread = thread, .counters = counters_, .on_gone = [](net::Connection&) {}},
               [shared = shared_, &events, path = std::move(path),
                authority = fmt::format("{}:{}", target.address, target.port)](
                   const absl::Status& status, std::shared_ptr<net::Connection> connection) {
                 if (shared->pipe == nullptr) {
                   if (connection) connection->close_now();
                   return;
                 }
                 if (!status.ok()) return events.on_failure(message(status));
                 UnaryPipe& pipe = *shared->pipe;
                 pipe.connection_ = std::move(connection);
                 auto protocol = std::make_unique<UnaryPipeProtocol>(
                     UnaryPipeProtocol::Target{path, authority}, events,
                     [c = pipe.connection_.get()] { c->flush_soon(); });
                 pipe.protocol_ = protocol.get();
                 pipe.connection_->start(std::move(protocol));
                 events.on_ready();
               });
}

UnaryPipe::~UnaryPipe() {
  shared_->pipe = nullptr;
  if (protocol_) protocol_->forget();
  if (connection_) connection_->close_now();
}

}  // namespace holdfast::bench
