// The connection's side of an HTTP exchange, the same for HTTP/1.1 and HTTP/2.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "net/http.h"

namespace holdfast::net {

// An answer of so many bytes is taken as "full"; producers are told when it falls to this again.
inline constexpr size_t kHttpOutboxLowWater = 64 * 1024;

class HttpStream {
 public:
  HttpStream() = default;
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;
  virtual ~HttpStream() = default;

  // From the exchange; in an order that makes sense, which HttpExchange has checked.
  virtual void respond(int status, HttpFields fields, std::string body) = 0;
  virtual void start(int status, HttpFields fields) = 0;
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;
  // False: it can't be done here.
  virtual bool upgrade(HttpFields fields, std::unique_ptr<HttpBodySink> tunnel) { return false; }
  // The answer was begun and will never be ended.
  virtual void abandon() = 0;
  virtual void pause_body() = 0;
  virtual void resume_body() = 0;

 protected:
  HttpExchangeRef open_exchange(HttpRequest request, std::shared_ptr<const PeerInfo> peer,  // shared by the connection's exchanges
                                IoThread& thread);
  bool has_exchange() const { return exchange_ != nullptr; }
  std::string& request_body() { return exchange_->request_.body; }
  // The client is gone.
  void cancel_exchange();
  void forget_exchange();
  void report_outbox(size_t bytes);

 private:
  friend class HttpExchange;
  HttpExchange* exchange_ = nullptr;  // held by its handles alone
  bool above_low_water_ = false;
};

}  // namespace holdfast::net
