// Operations of clients, as the simulator's tests write them.
#pragma once

#include <string>
#include <utility>

#include "sim/kv_model.h"

namespace holdfast::sim {

inline KvOp kv_op(KvKind kind, std::string key, std::string value = {}, std::string end = {}) {
  KvOp op;
  op.kind = kind;
  op.key = std::move(key);
  op.value = std::move(value);
  op.end = std::move(end);
  return op;
}
inline KvOp put(std::string key, std::string value) {
  return kv_op(KvKind::put, std::move(key), std::move(value));
}
inline KvOp get(std::string key, std::string end = {}) {
  return kv_op(KvKind::range, std::move(key), {}, std::move(end));
}
inline KvOp erase(std::string key, std::string end = {}) {
  return kv_op(KvKind::delete_range, std::move(key), {}, std::move(end));
}

}  // namespace holdfast::sim
