#include "peer/replies.h"

#include "base/log.h"

namespace holdfast::peer {

std::pair<std::string, std::string> cluster_field(const Identity& self) {
  return {"X-Etcd-Cluster-ID", hex_id(self.cluster.value)};
}

void reply_error(net::HttpExchange& exchange, const Identity& self, int status, std::string_view text,
                 net::HttpFields more) {
  net::HttpFields fields = {{"Content-Type", "text/plain; charset=utf-8"},
                            {"X-Content-Type-Options", "nosniff"},
                            cluster_field(self)};
  fields.insert(fields.end(), more.begin(), more.end());
  exchange.respond(status, std::move(fields), std::string(text) + "\n");
}

std::string host_of(std::string_view address) {
  return std::string(address.substr(0, address.rfind(':')));
}

}  // namespace holdfast::peer
