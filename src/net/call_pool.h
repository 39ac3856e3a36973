// Call objects kept for the next call: a call's strings and vectors have found their sizes after a few requests, and a
// unary call then allocates nothing of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "net/grpc_call.h"

namespace holdfast::net {

// One free list a thread, so there is nothing to lock. A call given back on another thread than it was taken on (its
// I/O thread has ended) just joins that thread's list.
template <class T>
class CallPool {
 public:
  // Kept per thread; above, memory is given back. A burst of more concurrent calls than this pays for its allocations.
  static constexpr size_t kKept = 1024;
  // A call that carried a large request does not keep its buffer.
  static constexpr size_t kRequestBytesKept = 16 * 1024;

  static T* take();
  static void give_back(T* call);

 private:
  struct List {
    std::vector<T*> calls;
    ~List();
  };
  static List& list();
};

extern template class CallPool<UnaryCall>;
extern template class CallPool<StreamCall>;

}  // namespace holdfast::net
