#include "rpc/http_replies.h"

#include "base/log.h"
#include "fmt/format.h"

namespace holdfast::rpc {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus : uint8_t { literal, space };

std::optional<std::string> unescape(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out += ' ';
    } else if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void HttpReply::respond(int status, net::HttpFields fields, std::string body) const {
  fields.insert(fields.end(), common_.begin(), common_.end());
  exchange_->respond(status, std::move(fields), std::move(body));
}

void HttpReply::error(int status, std::string_view text) const {
  respond(status,
          {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
          std::string(text) + "\n");
}

bool HttpReply::require_method(std::string_view wanted) const {
  if (request().method == wanted) return true;
  refuse_method(wanted, "Method Not Allowed");
  return false;
}

void HttpReply::refuse_method(std::string_view wanted, std::string_view text) const {
  respond(405,
          {{"Allow", std::string(wanted)},
           {"Content-Type", "text/plain; charset=utf-8"},
           {"X-Content-Type-Options", "nosniff"}},
          std::string(text) + "\n");
}

QueryPairs parse_query(std::string_view query) {
  QueryPairs pairs;
  while (!query.empty()) {
    const size_t end = query.find('&');
    std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;
    const size_t equals = pair.find('=');
    auto name = unescape(pair.substr(0, equals), Plus::space);
    auto value =
        unescape(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1),
                 Plus::space);
    if (name && value) pairs.emplace_back(*std::move(name), *std::move(value));
  }
  return pairs;
}

std::vector<std::string> query_set(const QueryPairs& pairs, std::string_view name) {
  std::vector<std::string> values;
  for (const auto& [key, value] : pairs)
    if (key == name && !value.empty()) values.push_back(value);
  return values;
}

std::optional<std::string> decode_path(std::string_view path) {
  return unescape(path, Plus::literal);
}

}  // namespace holdfast::rpc
