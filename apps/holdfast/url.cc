#include "apps/holdfast/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>

#include "apps/holdfast/go_values.h"
#include "base/go_text.h"
#include "fmt/format.h"

namespace holdfast::config {
namespace {

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

absl::Status parse_failure(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("parse {}: {}", go_quote(text), why));
}

bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes "scheme:" off the front of `rest`; Go's getScheme.
absl::StatusOr<std::string> take_scheme(std::string_view& rest, std::string_view all) {
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (is_letter(c)) continue;
    if (is_digit(c) || c == '+' || c == '-' || c == '.') {
      if (i == 0) return std::string();
      continue;
    }
    if (c != ':') return std::string();
    if (i == 0) return parse_failure(all, "missing protocol scheme");
    std::string scheme(rest.substr(0, i));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](char x) { return is_letter(x) ? static_cast<char>(x | 0x20) : x; });
    rest.remove_prefix(i + 1);
    return scheme;
  }
  return std::string();
}

// What follows the host must be nothing or ":digits".
absl::Status check_port(std::string_view host, std::string_view all) {
  std::string_view port;
  if (!host.empty() && host[0] == '[') {
    const size_t end = host.rfind(']');
    if (end == std::string_view::npos) return parse_failure(all, "missing ']' in host");
    port = host.substr(end + 1);
  } else if (const size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
  }
  const bool valid =
      port.empty() || (port[0] == ':' && std::all_of(port.begin() + 1, port.end(), is_digit));
  if (!valid) return parse_failure(all, fmt::format("invalid port {} after host", go_quote(port)));
  return absl::OkStatus();
}

absl::StatusOr<Url> parse_url(std::string_view all) {
  for (char c : all)
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f)
      return parse_failure(all, "net/url: invalid control character in URL");
  std::string_view rest = all;
  Url url;
  auto scheme = take_scheme(rest, all);
  if (!scheme.ok()) return scheme.status();
  url.scheme = *std::move(scheme);
  if (url.scheme.empty()) {
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment.find(':') != std::string_view::npos)
      return parse_failure(all, "first path segment in URL cannot contain colon");
  }
  if (rest.substr(0, 2) == "//") {
    rest.remove_prefix(2);
    std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(authority.size());
    if (const size_t at = authority.rfind('@'); at != std::string_view::npos)
      authority.remove_prefix(at + 1);
    if (authority.find_first_of(" <>\"\\^`{}") != std::string_view::npos)
      return parse_failure(all, "invalid character in host name");
    if (auto status = check_port(authority, all); !status.ok()) return status;
    url.host = authority;
  }
  url.path = rest;
  return url;
}

absl::StatusOr<Url> parse_endpoint(std::string_view text) {
  auto url = parse_url(text);
  if (!url.ok()) return url.status();
  if (url->scheme == "http" || url->scheme == "https") {
    if (!split_host_port(url->host).ok())
      return absl::InvalidArgumentError(
          fmt::format("URL address does not have the form \"host:port\": {}", text));
    if (!url->path.empty())
      return absl::InvalidArgumentError(fmt::format("URL must not contain a path: {}", text));
  } else if (!url->is_unix()) {
    return absl::InvalidArgumentError(
        fmt::format("URL scheme must be http, https, unix, or unixs: {}", text));
  }
  return url;
}

void sort_and_deduplicate(std::vector<Url>& urls) {
  std::sort(urls.begin(), urls.end(),
            [](const Url& a, const Url& b) { return a.text() < b.text(); });
  urls.erase(std::unique(urls.begin(), urls.end()), urls.end());
}

}  // namespace

std::string Url::text() const { return fmt::format("{}://{}{}", scheme, host, path); }

std::string Url::hostname() const {
  const auto parts = split_host_port(host);
  return parts.ok() ? parts->host : host;
}

std::string Url::port() const {
  const auto parts = split_host_port(host);
  return parts.ok() ? parts->port : "";
}

absl::StatusOr<HostPort> split_host_port(std::string_view text) {
  const auto failure = [&](std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("address {}: {}", text, why));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure("missing port in address");
  std::string_view host;
  if (text[0] == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return failure("missing ']' in address");
    if (end + 1 == text.size()) return failure("missing port in address");
    if (end + 1 != colon)
      return failure(text[end + 1] == ':' ? "too many colons in address"
                                          : "missing port in address");
    host = text.substr(1, end - 1);
    if (host.find('[') != std::string_view::npos) return failure("unexpected '[' in address");
  } else {
    host = text.substr(0, colon);
    if (host.find(':') != std::string_view::npos) return failure("too many colons in address");
    if (host.find('[') != std::string_view::npos) return failure("unexpected '[' in address");
    if (text.find(']') != std::string_view::npos) return failure("unexpected ']' in address");
  }
  return HostPort{std::string(host), std::string(text.substr(colon + 1))};
}

bool is_ip_address(std::string_view text) {
  unsigned char buffer[16];
  const std::string terminated(text);
  return inet_pton(AF_INET, terminated.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, terminated.c_str(), buffer) == 1;
}

absl::StatusOr<std::vector<Url>> parse_urls(std::string_view list) {
  std::vector<Url> urls;
  while (true) {
    const size_t comma = list.find(',');
    auto url = parse_endpoint(trim(list.substr(0, comma)));
    if (!url.ok()) return url.status();
    urls.push_back(*std::move(url));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  sort_and_deduplicate(urls);
  return urls;
}

std::vector<std::string> url_texts(const std::vector<Url>& urls) {
  std::vector<std::string> texts;
  texts.reserve(urls.size());
  for (const Url& url : urls) texts.push_back(url.text());
  return texts;
}

std::string join_urls(const std::vector<Url>& urls) {
  return fmt::format("{}", fmt::join(url_texts(urls), ","));
}

absl::StatusOr<NamedUrls> parse_named_urls(std::string_view list) {
  std::map<std::string, std::vector<Url>> by_name;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view pair = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (pair.empty()) continue;
    const size_t equal = pair.find('=');
    const std::string_view value =
        equal == std::string_view::npos ? std::string_view() : pair.substr(equal + 1);
    auto url = parse_endpoint(trim(value));
    if (!url.ok()) return url.status();
    by_name[std::string(pair.substr(0, equal))].push_back(*std::move(url));
  }
  NamedUrls result;
  for (auto& [name, urls] : by_name) {
    std::sort(urls.begin(), urls.end(),
              [](const Url& a, const Url& b) { return a.text() < b.text(); });
    result.emplace_back(name, std::move(urls));
  }
  return result;
}

}  // namespace holdfast::config
