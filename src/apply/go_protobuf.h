// Go's protobuf, by which etcd's members read entries, takes a little less than C++'s parser, and a little more. An entry
// that they can't unmarshal ends them, so no such request may get into the log; what they can, we must be able to read.
// Source: google.golang.org/protobuf v1.36, internal/impl/decode.go. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace google::protobuf {
class Descriptor;
}

namespace holdfast::apply {

enum class WireFault : uint8_t { none, malformed, invalid_utf8 };

// The first thing for which Go refuses `bytes` as a message of `type`: numbers of more than 64 bits, field numbers out of
// range, what is cut off, groups that don't match, strings that are no UTF-8, nesting beyond 10,000. One pass.
WireFault find_wire_fault(std::string_view bytes, const google::protobuf::Descriptor& type);

// The same message without what `type` doesn't know, everything in its shortest form. `bytes` has no fault.
std::string without_unknown_fields(std::string_view bytes, const google::protobuf::Descriptor& type);
// True if members before 3.7 can read it too: for gogo/protobuf a known field of another wire type is an error, which for 3.7
// is an unknown field. Fields that are unknown by their number are fine, groups and numbers longer than need be are not.
bool is_plain(std::string_view bytes, const google::protobuf::Descriptor& type);

}  // namespace holdfast::apply
