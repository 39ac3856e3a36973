// HTTP answers as Go's net/http gives them, since probes and scripts compare them letter by letter
// (TRP-62).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http.h"

namespace holdfast::rpc {

// An exchange together with the fields that every answer to it carries (CORS).
class HttpReply {
 public:
  HttpReply(net::HttpExchangeRef exchange, net::HttpFields common)
      : exchange_(std::move(exchange)), common_(std::move(common)) {}

  const net::HttpRequest& request() const { return exchange_->request(); }
  net::HttpExchange& exchange() const { return *exchange_; }

  void respond(int status, net::HttpFields fields, std::string body) const;
  // http.Error: text/plain, nosniff, and a newline after `text`.
  void error(int status, std::string_view text) const;
  void not_found() const { error(404, "404 page not found"); }
  // False, and answers 405 with Allow, unless the method is `wanted`.
  bool require_method(std::string_view wanted) const;
  // That 405, with another text.
  void refuse_method(std::string_view wanted, std::string_view text) const;

 private:
  net::HttpExchangeRef exchange_;
  net::HttpFields common_;
};

// url.ParseQuery: pairs in their order, those that can't be decoded left out.
using QueryPairs = std::vector<std::pair<std::string, std::string>>;
QueryPairs parse_query(std::string_view query);
// All values of `name`, without empty ones.
std::vector<std::string> query_set(const QueryPairs& pairs, std::string_view name);

// Percent-decoding of a path; nothing if malformed.
std::optional<std::string> decode_path(std::string_view path);


}  // namespace holdfast::rpc
