// protobuf messages as JSON, as etcd's gateway has them: protojson with proto field names, zero fields left out, unknown
// fields passed over (GW-01). Field by field by reflection, and not by protobuf's own json_util, which accepts what Go
// refuses (trailing commas, single quotes) and has other words for errors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "google/protobuf/message.h"

namespace holdfast::rpc {

// `json` is one complete value, as a JsonScanner gives it out. Nothing on success, else protojson's text ("proto: (line
// 1:8): invalid value for bytes field key: ..."); `message` is then half filled.
std::optional<std::string> from_json(std::string_view json, google::protobuf::Message& message);

// How a string's characters that HTML gives a meaning are written: protojson leaves them, encoding/json, through which
// the pieces of a stream pass, escapes them.
enum class Html : uint8_t { plain, escaped };
void append_json(std::string& out, const google::protobuf::Message& message, Html html);
void append_json_string(std::string& out, std::string_view text, Html html);

}  // namespace holdfast::rpc
