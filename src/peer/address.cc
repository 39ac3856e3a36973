#include "peer/address.h"

#include <charconv>
#include <utility>

namespace holdfast::peer {

namespace {

// TLS checks the name of the file, or of the host that it is called after.
std::optional<Address> socket_address(Address address, std::string_view path) {
  if (path.empty()) return std::nullopt;
  address.unix_path = path;
  const std::string_view file = path.substr(path.rfind('/') + 1);
  address.name = file.substr(0, file.rfind(':'));
  address.host = path.find('/') == std::string_view::npos ? std::string(path) : "localhost";
  return address;
}

}  // namespace

std::optional<Address> parse_address(std::string_view url) {
  Address address;
  address.url = url;
  if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else if (url.starts_with("https://")) {
    url.remove_prefix(8);
    address.tls = true;
  } else if (url.starts_with("unix://")) {
    return socket_address(std::move(address), url.substr(7));
  } else if (url.starts_with("unixs://")) {
    address.tls = true;
    return socket_address(std::move(address), url.substr(8));
  } else {
    return std::nullopt;
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  const size_t colon = url.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string_view port = url.substr(colon + 1);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) return std::nullopt;
  address.host = url;
  std::string_view name = url.substr(0, colon);
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  address.name = name;
  return address;
}

void UrlPicker::update(const std::vector<std::string>& urls) {
  addresses_.clear();
  picked_ = 0;
  for (const std::string& url : urls)
    if (auto address = parse_address(url)) addresses_.push_back(*std::move(address));
}

std::optional<Address> UrlPicker::pick() const {
  if (addresses_.empty()) return std::nullopt;
  return addresses_[picked_];
}

void UrlPicker::unreachable(const Address& address) {
  if (!addresses_.empty() && addresses_[picked_] == address) picked_ = (picked_ + 1) % addresses_.size();
}

}  // namespace holdfast::peer
