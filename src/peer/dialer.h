// HTTP clients for a peer's URL, with the transport's time-outs and certificates, and their safe end.
#pragma once

#include <memory>

#include "net/http_client.h"
#include "peer/address.h"
#include "peer/host.h"

namespace holdfast::peer {

// What a peer may say in an answer that is collected: a refusal, a few words.
inline constexpr size_t kAnswerBytesMax = 64 * 1024;

// One connection, opened at the first request.
std::unique_ptr<net::HttpClient> make_client(net::IoThread& thread, const TransportSettings& settings,
                                             const Address& address,
                                             size_t answer_bytes_max = kAnswerBytesMax);

// Ends a client that may be on the stack: later on the thread, unless that has ended. Its callbacks don't run any more
// after that, but may before: they must be told apart by what they hold.
void dispose(net::IoThread& thread, std::unique_ptr<net::HttpClient> client);

}  // namespace holdfast::peer
