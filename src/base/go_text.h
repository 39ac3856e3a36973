// Values as Go's fmt and time print them, which is how etcd's messages and logs show them. Pure; any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace holdfast {

// %q: in double quotes, with escapes for quotes, backslashes, what is not printable and bytes that are no UTF-8.
std::string go_quote(std::string_view text);
void append_go_quoted(std::string& out, std::string_view text);

// Duration.String(): "1m30s", "312.5ms", "0s".
std::string go_duration(std::chrono::nanoseconds duration);

}  // namespace holdfast
