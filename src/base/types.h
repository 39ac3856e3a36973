// Strong types for ids and numbers that could be mixed up. Each wraps one integer, compares with its own kind
// only, and converts explicitly.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>

#include "absl/hash/hash.h"

namespace holdfast {

template <class Tag, class Rep>
struct Strong {
  Rep value = 0;

  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}
  constexpr auto operator<=>(const Strong&) const = default;
  constexpr explicit operator bool() const { return value != 0; }

  // Distance arithmetic: an id plus or minus a count is an id, a difference of ids is a count.
  constexpr Strong operator+(Rep n) const { return Strong(value + n); }
  constexpr Strong operator-(Rep n) const { return Strong(value - n); }
  constexpr Rep operator-(Strong other) const { return value - other.value; }
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
  constexpr Strong& operator--() {
    --value;
    return *this;
  }

  template <typename H>
  friend H AbslHashValue(H h, const Strong& s) {
    return H::combine(std::move(h), s.value);
  }
  friend std::ostream& operator<<(std::ostream& os, const Strong& s) { return os << s.value; }
};

using Term = Strong<struct TermTag, uint64_t>;
using Index = Strong<struct IndexTag, uint64_t>;
using MemberId = Strong<struct MemberIdTag, uint64_t>;   // 0 = none
using ClusterId = Strong<struct ClusterIdTag, uint64_t>;
using RequestId = Strong<struct RequestIdTag, uint64_t>;
using Revision = Strong<struct RevisionTag, int64_t>;    // main revision of the store
using LeaseId = Strong<struct LeaseIdTag, int64_t>;      // 0 = no lease

}  // namespace holdfast

template <class Tag, class Rep>
struct std::hash<holdfast::Strong<Tag, Rep>> {
  size_t operator()(const holdfast::Strong<Tag, Rep>& s) const { return std::hash<Rep>()(s.value); }
};
