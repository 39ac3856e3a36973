#include "rpc/http_redirect.h"

#include <vector>

#include "fmt/format.h"

namespace holdfast::rpc {

namespace {

// url.URL.String() of a path.
std::string escape_path(std::string_view path) {
  constexpr std::string_view kKept = "-_.~$&+,/:;=@";
  std::string out;
  for (const char c : path) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (alphanumeric || kKept.find(c) != std::string_view::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  const bool slash_at_end = path.ends_with('/');
  while (!path.empty()) {
    const size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string clean;
  for (const std::string_view part : parts) clean.append("/").append(part);
  if (slash_at_end || clean.empty()) clean += '/';
  return clean;
}

std::optional<std::string> clean_target(const net::HttpRequest& request) {
  const std::string clean = clean_path(request.path());
  if (clean == request.path()) return std::nullopt;
  std::string target = escape_path(clean);
  if (!request.query().empty()) target.append("?").append(request.query());
  return target;
}

void redirect(const HttpReply& reply, std::string_view target) {
  net::HttpFields fields = {{"Location", std::string(target)}};
  std::string body;
  const std::string_view method = reply.request().method;
  if (method == "GET" || method == "HEAD") {
    fields.emplace_back("Content-Type", "text/html; charset=utf-8");
    body = fmt::format("<a href=\"{}\">Temporary Redirect</a>.\n\n", escape_html(target));
  }
  reply.respond(307, std::move(fields), std::move(body));
}

}  // namespace holdfast::rpc
