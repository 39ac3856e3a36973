// Takes a snapshot that a peer posts (etcd rafthttp/http.go snapshotHandler; parity RAFT-17): the message, then the
// backend as a file, which goes to the disk as it comes in.
#pragma once

#include <memory>

#include "net/http.h"
#include "peer/held_bytes.h"
#include "peer/transport.h"

namespace holdfast::peer {

// Answers `exchange` itself. The message is held under `posted`, with what is posted to other handlers. On the transport's thread.
std::unique_ptr<net::HttpBodySink> receive_snapshot(const Transport& transport, HeldBytesLimit& posted,
                                                    net::HttpExchangeRef exchange);

}  // namespace holdfast::peer
