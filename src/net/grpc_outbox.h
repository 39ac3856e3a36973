// The messages of one call, or its answer, on their way into DATA frames. A message is taken as it came, head and shared tail, and
// copied once, into what the connection writes.
//
// Threading: the connection's I/O thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "net/grpc_call.h"
#include "net/grpc_wire.h"

namespace holdfast::net {

class GrpcOutbox {
 public:
  size_t bytes() const { return bytes_; }  // with the messages' prefixes

  void push(OutMessage message);
  // A frame of so many bytes (at most bytes()) has been decided on; the next take() is for it.
  void announce(size_t size) { announced_ = size; }
  // Appends the announced `size` bytes to `out` and lets go of the messages that are through.
  void take(size_t size, std::string& out);
  // Nothing more is sent; but the bytes of an announced frame must still come.
  void drop();
  // drop() at the end of the stream, when nobody waits for an announced frame any more.
  void close();

 private:
  struct Outgoing {
    char prefix[MessageReader::kPrefixBytes];
    OutMessage message;
    size_t size() const { return sizeof prefix + message.size(); }
  };

  std::vector<Outgoing> messages_;
  size_t first_ = 0;         // of those not sent yet
  size_t first_offset_ = 0;  // what of it was sent
  size_t bytes_ = 0;
  size_t announced_ = 0;
  bool dropped_ = false;  // what follows the announced bytes is not to be sent
};

}  // namespace holdfast::net
