// Answers of the peer port as Go's net/http and etcd's handlers give them.
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"
#include "peer/headers.h"

namespace holdfast::peer {

// X-Etcd-Cluster-ID: on what the raft handlers, /members and the like answer themselves.
std::pair<std::string, std::string> cluster_field(const Identity& self);

// http.Error: text/plain, nosniff, and a newline after `text`; with the cluster's id.
void reply_error(net::HttpExchange& exchange, const Identity& self, int status, std::string_view text,
                 net::HttpFields more = {});

// "10.0.0.1" of "10.0.0.1:40312".
std::string host_of(std::string_view address);

}  // namespace holdfast::peer
