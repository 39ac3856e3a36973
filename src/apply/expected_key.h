// The key that an entry will look up first, read from its bytes before it is its turn. PURE.
#pragma once

#include <string_view>

namespace holdfast::apply {

// Of a put, a delete or a txn (its first comparison), pointing into `entry`; empty for everything else, and for what can't
// be read. A guess for speed only: nothing may rest on it.
std::string_view expected_key(std::string_view entry);

}  // namespace holdfast::apply
