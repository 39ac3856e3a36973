#include "net/client_address.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <utility>

namespace holdfast::net {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

bool is_wildcard(std::string_view host) { return host.starts_with("*."); }

// Shared by the resolver's completions.
class LookUp : public std::enable_shared_from_this<LookUp> {
 public:
  LookUp(IoThread& thread, std::string address, std::vector<std::string> hosts, std::function<void(bool)> done)
      : resolver_(thread.context()), address_(std::move(address)), hosts_(std::move(hosts)), done_(std::move(done)) {}

  void begin() {
    error_code error;
    const auto address = boost::asio::ip::make_address(address_, error);
    resolver_.async_resolve(tcp::endpoint(address, 0), [self = shared_from_this()](
                                                           const error_code& e, const tcp::resolver::results_type& found) {
      if (!e)
        for (const auto& entry : found)
          if (fits_name(entry.host_name(), self->hosts_)) return self->done_(true);
      self->forward(0);
    });
  }

 private:
  void forward(size_t next) {
    while (next < hosts_.size() && is_wildcard(hosts_[next])) ++next;
    if (next == hosts_.size()) return done_(false);
    resolver_.async_resolve(hosts_[next], "", [self = shared_from_this(), next](
                                                  const error_code& e, const tcp::resolver::results_type& found) {
      if (!e)
        for (const auto& entry : found)
          if (entry.endpoint().address().to_string() == self->address_) return self->done_(true);
      self->forward(next + 1);
    });
  }

  tcp::resolver resolver_;
  const std::string address_;
  const std::vector<std::string> hosts_;
  const std::function<void(bool)> done_;
};

}  // namespace

std::optional<bool> fits_at_once(const CertificateNames& names) {
  if (!names.has_addresses && names.hosts.empty()) return true;
  if (names.has_this_address) return true;
  if (names.hosts.empty()) return false;
  return std::nullopt;
}

bool fits_name(std::string_view name, const std::vector<std::string>& hosts) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
    return is_wildcard(host) ? name.ends_with(std::string_view(host).substr(1)) : name == host;
  });
}

void look_up_client(IoThread& thread, const std::string& address, std::vector<std::string> hosts,
                    std::function<void(bool)> done) {
  std::make_shared<LookUp>(thread, address, std::move(hosts), std::move(done))->begin();
}

}  // namespace holdfast::net
