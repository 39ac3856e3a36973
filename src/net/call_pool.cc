#include "net/call_pool.h"

namespace holdfast::net {

template <class T>
typename CallPool<T>::List& CallPool<T>::list() {
  thread_local List calls;
  return calls;
}

template <class T>
CallPool<T>::List::~List() {
  for (T* call : calls) delete call;
}

template <class T>
T* CallPool<T>::take() {
  auto& calls = list().calls;
  if (calls.empty()) return new T();
  T* call = calls.back();
  calls.pop_back();
  return call;
}

template <class T>
void CallPool<T>::give_back(T* call) {
  bool large = call->fields_.text.capacity() > kRequestBytesKept;
  if constexpr (std::is_same_v<T, UnaryCall>) {
    large = large || call->request_.capacity() > kRequestBytesKept;
    call->request_.clear();
  }
  auto& calls = list().calls;
  if (large || calls.size() >= kKept) {
    delete call;
  } else {
    calls.push_back(call);
  }
}

template class CallPool<UnaryCall>;
template class CallPool<StreamCall>;

}  // namespace holdfast::net
