// Unary calls of one method over one plain HTTP/2 connection, at a few thousand instructions each: where load and server
// share a machine's cores, what the load costs is missing from what is measured. Frames are written and read by hand and
// header fields compressed once for all calls; what the server answers is looked at as well as by any other client: a
// call is good when a message and "grpc-status: 0" came. Anything that a gRPC server has no reason to send is a failure.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/connector.h"

namespace holdfast::bench {

// A request is one DATA frame of the smallest size that a server may insist on.
inline constexpr size_t kPipeRequestBytesMax = 16'000;

// On the pipe's I/O thread.
class UnaryPipeEvents {
 public:
  virtual ~UnaryPipeEvents() = default;
  virtual void on_ready() = 0;  // it is connected, or has window again
  virtual void on_answer(env::Instant began) = 0;
  virtual void on_failure(std::string_view why) = 0;
};

// The HTTP/2 of it: bytes in, bytes out.
class UnaryPipeProtocol final : public net::Protocol {
 public:
  struct Target {
    std::string path;  // "/package.Service/Method"
    std::string authority;
  };
  // `flush` is called when there is something to produce.
  UnaryPipeProtocol(const Target& target, UnaryPipeEvents& events, std::function<void()> flush);
  ~UnaryPipeProtocol() override;

  // False: no window for it now; on_ready() will say when.
  bool call(std::string_view request, env::Instant began);
  size_t under_way() const { return under_way_; }

  void on_input(std::string_view bytes) override;
  bool produce(std::string& out, size_t limit) override;
  bool finished() const override { return failed_; }
  void drain() override { failed_ = true; }
  void on_closed() override;
  // Tells nobody anything any more.
  void forget() { events_ = nullptr; }

 private:
  struct Call {
    env::Instant began;
    bool open = false;
    uint32_t message_bytes = 0;
  };
  struct Frame {
    uint8_t type, flags;
    uint32_t stream;
    std::string_view payload;
  };

  std::string compress(const Target& target);
  void append_frame_header(uint8_t type, uint8_t flags, uint32_t stream, size_t size);
  void append_frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
  void fail(std::string_view why);
  void on_frame(const Frame& frame);
  void on_data(const Frame& frame);
  void on_headers(const Frame& frame);
  void on_settings(const Frame& frame);
  void on_window(const Frame& frame);
  Call* find(uint32_t stream);

  UnaryPipeEvents* events_;  // null: forgotten
  const std::function<void()> flush_;
  nghttp2_hd_deflater* deflater_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string first_fields_, fields_;  // compressed, of the first call and of those that follow
  std::string out_;
  std::string partial_;  // of a frame
  int64_t window_ = 65'535;
  uint32_t owed_ = 0;  // window to be given back to the server
  uint32_t next_stream_ = 1;
  std::vector<Call> calls_;  // by stream, round about
  size_t under_way_ = 0;
  bool short_of_window_ = false;
  bool failed_ = false;
};

class UnaryPipe {
 public:
  // `events` outlives it. On `thread`, as all methods.
  UnaryPipe(net::IoThread& thread, const net::ConnectTarget& target, std::string path, UnaryPipeEvents& events);
  ~UnaryPipe();
  // False: not connected, or no window; on_ready() will say when.
  bool call(std::string_view request, env::Instant began) { return protocol_ && protocol_->call(request, began); }

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;  // with the attempt to connect
  net::TrafficCounters counters_;
  std::shared_ptr<net::Connection> connection_;  // shared with its pending reads
  UnaryPipeProtocol* protocol_ = nullptr;        // the connection's
};

}  // namespace holdfast::bench
