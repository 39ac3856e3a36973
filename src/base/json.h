// As much JSON as members and downgrades need, as Go's encoding/json writes and reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace holdfast::json {

// Quoted, with <, >, &, U+2028 and U+2029 escaped besides what JSON asks for; bytes that are no UTF-8 become U+FFFD.
void append_string(std::string& out, std::string_view text);
void append_strings(std::string& out, const std::vector<std::string>& texts);

// Reads one value from the front of its input. Every method is false, for good, once something is malformed or not of
// the type asked for. A null leaves the result as it is, but empties a list.
class Reader {
 public:
  explicit Reader(std::string_view input) : rest_(input) {}

  // Calls `member` with each name, decoded; it must read the value.
  bool object(absl::FunctionRef<bool(std::string_view name, Reader&)> member);
  // Calls `element` for each; it must read the value. A null is an empty list.
  bool array(absl::FunctionRef<bool(Reader&)> element);
  bool strings(std::vector<std::string>& to);
  bool string(std::string& to);
  // Whole numbers that fit.
  bool number(int64_t& to);
  bool unsigned_number(uint64_t& to);
  bool boolean(bool& to);
  // Whatever it is.
  bool skip();
  // Nothing but white space is left.
  bool at_end();

 private:
  bool fail() {
    ok_ = false;
    return false;
  }
  void skip_space();
  bool take(char c);
  bool take_word(std::string_view word);
  bool take_null() { return take_word("null"); }
  bool quoted(std::string& to);
  bool escape(std::string& to);
  bool hex4(uint32_t& to);
  bool skip_number();
  template <class Integer>
  bool integer(Integer& to);
  bool list(absl::FunctionRef<bool()> element);

  std::string_view rest_;
  int depth_ = 0;
  bool ok_ = true;
};

// Go matches names whatever their case.
bool same_name(std::string_view a, std::string_view b);

}  // namespace holdfast::json
