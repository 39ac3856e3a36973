// Small questions of text that several parts ask. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

// Bytes of the UTF-8 character at the front of `text`, which is not empty; 0 if it is none (Unicode table 3-7: no
// overlong forms, no surrogates, nothing beyond U+10FFFF, none that is cut).
size_t utf8_length(std::string_view text);
void append_utf8(std::string& out, uint32_t code_point);

// A to Z only, whatever the locale.
std::string ascii_lower(std::string_view text);

// A size for people, as go-humanize writes it: two or three digits, powers of 1000 ("2.1 GB", "268 MB").
std::string human_bytes(int64_t bytes);

}  // namespace holdfast
