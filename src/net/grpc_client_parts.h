// The insides of GrpcClient, each owner of its state: the calls (grpc_client_stream.cc), the HTTP/2 session that they share,
// and the core that connects again when it is gone (grpc_client.cc). On the client's I/O thread.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "net/block_cache.h"
#include "net/client_link.h"
#include "net/connection.h"
#include "net/grpc_client.h"
#include "net/grpc_outbox.h"
#include "net/grpc_wire.h"

namespace holdfast::net {

// Headers and trailers of an answer that a client takes; above, the call fails.
inline constexpr size_t kMaxHeaderListBytes = 64 * 1024;

class GrpcClient::Stream final : public ClientCall, public std::enable_shared_from_this<Stream> {
 public:
  Stream(Core& core, std::string_view path, const CallOptions& options,
         std::unique_ptr<ClientCallEvents> events)
      : core_(&core), path_(path), options_(options), events_(std::move(events)) {}

  void write(OutMessage message) override;
  void half_close() override;
  void cancel() override;
  size_t outbox_bytes() const override { return outbox_.bytes(); }
  std::optional<std::string> metadata(std::string_view key) const override {
    auto value = fields_.find(key);
    if (!value) return std::nullopt;
    if (key.ends_with("-bin")) return decode_base64(*value);
    return std::string(*value);
  }

  bool submit(Session& session);
  void on_header(std::string_view name, std::string_view value);
  void on_data(std::string_view bytes);
  void on_closed(uint32_t error);
  ssize_t produce(size_t max, uint32_t* flags);
  void write_frame(const uint8_t* header, size_t size, std::string& out);
  void finish(const absl::Status& status);

  int32_t id = 0;
  size_t index = 0;  // in the core's list

 private:
  friend class Core;
  void resume();
  absl::Status final_status(uint32_t error) const;

  Core* core_;  // null once finished
  std::string path_;
  CallOptions options_;
  std::unique_ptr<ClientCallEvents> events_;
  Session* session_ = nullptr;
  env::TimerId timer_ = 0;
  HeaderFields fields_;
  size_t header_bytes_ = 0;
  MessageReader reader_;
  absl::Status read_error_;
  GrpcOutbox outbox_;
  bool half_closed_ = false;
  bool closed_ = false;  // by nghttp2, which knows it no more
  bool deferred_ = false;
  bool above_low_water_ = false;
};

class GrpcClient::Session final : public Protocol {
 public:
  Session(Core& core, Connection& connection);
  ~Session() override {
    connection_.thread().cancel(std::exchange(keepalive_timer_, 0));
    nghttp2_session_del(session_);
  }

  void on_input(std::string_view bytes) override;
  bool produce(std::string& out, size_t limit) override;
  bool finished() const override {
    return failed_ || (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_));
  }
  void drain() override { failed_ = true; }
  void on_closed() override;

  nghttp2_session* get() { return session_; }
  void flush_soon() { connection_.flush_soon(); }
  bool usable() const { return !failed_ && !going_away_; }

 private:
  struct Callbacks;
  void watch_silence(env::Instant when);
  void check_silence();

  Core& core_;
  Connection& connection_;
  env::TimerId keepalive_timer_ = 0;
  env::Instant last_heard_{};
  bool ping_unanswered_ = false;
  BlockCache memory_;
  nghttp2_session* session_ = nullptr;
  std::string* out_ = nullptr;
  size_t out_limit_ = 0;
  bool failed_ = false;
  bool going_away_ = false;
};

class GrpcClient::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(IoThread& thread, GrpcClientOptions options)
      : thread_(thread),
        options_(std::move(options)),
        link_(thread, {options_.address, options_.port, options_.unix_path, {}, options_.tls, options_.connect_timeout}) {
    if (options_.authority.empty())
      options_.authority = fmt::format("{}:{}", options_.address, options_.port);
  }

  void add(std::shared_ptr<Stream> stream);
  void remove(Stream& stream);
  void session_lost(Session& session, const absl::Status& why);
  void shut();

  IoThread& thread() { return thread_; }
  const GrpcClientOptions& options() const { return options_; }
  size_t size() const { return streams_.size(); }
  bool connected() const { return session_ != nullptr; }

 private:
  void on_connected(const absl::Status& status);
  void fail_all(const absl::Status& why, Session* of);

  IoThread& thread_;
  GrpcClientOptions options_;
  ClientLink link_;
  Session* session_ = nullptr;
  std::vector<std::shared_ptr<Stream>> streams_;  // shared with the calls' owners
};

}  // namespace holdfast::net
