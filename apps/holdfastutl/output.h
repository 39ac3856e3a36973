// -w simple, fields, json, table: one answer, as etcdutl prints it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::utl {

enum class Format : uint8_t { simple, fields, json, table };
std::optional<Format> parse_format(std::string_view name);

struct Value {
  std::string name;        // "hash revision": of the table
  std::string json_name;   // "hashRevision"
  std::string field_name;  // "Hash revision": of fields
  std::string exact;       // of fields and JSON
  std::string readable;    // of simple and the table
  bool is_text = false;    // quoted in JSON
};
Value number(std::string name, std::string json_name, std::string field_name, int64_t value);

// With the end of the line.
std::string render(Format format, const std::vector<Value>& values);

}  // namespace holdfast::utl
