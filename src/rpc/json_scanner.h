// Cuts JSON values out of a stream of bytes, with encoding/json's grammar and its words for what is wrong (Go's scanner,
// json.Decoder), since those words reach clients (GW-08). Pure; the caller bounds how much it feeds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::rpc {

class JsonScanner {
 public:
  enum class Event : uint8_t {
    need_more,  // all bytes were taken, and the value is not complete
    value,      // value() is complete; the bytes after it are left
    failed      // error() says why; for good
  };
  // Takes bytes from the front of `bytes`.
  Event consume(std::string_view& bytes);
  // No more bytes will come. A number may end so; anything else that was begun is "unexpected EOF". need_more: there was
  // nothing but white space.
  Event finish();

  // The last complete value, without white space around it; until the next consume().
  const std::string& value() const { return value_; }
  const std::string& error() const { return error_; }
  // Of the value that is being read: memory held.
  size_t buffered_bytes() const { return complete_ ? 0 : value_.size(); }

 private:
  enum class State : uint8_t {
    begin_value, begin_value_or_empty, begin_key_or_empty, begin_key, end_value,
    in_string, in_string_escape, in_string_u, after_minus, after_zero, in_integer, after_dot,
    in_fraction, after_e, after_e_sign, in_exponent, in_literal
  };
  enum class Inside : uint8_t { object_key, object_value, array_value };

  // One byte of the value. False: the byte does not belong to it, which has ended before it (or failed).
  bool step(char c);
  bool begin_value(char c);
  bool begin_literal(std::string_view literal);
  bool end_value(char c);
  bool end_of_scalar(char c);
  bool push(Inside inside);
  bool close();
  bool fail(char c, std::string_view context);

  State state_ = State::begin_value;
  std::vector<Inside> stack_;
  std::string_view literal_;  // true, false or null, while it is being read
  size_t matched_ = 0;        // of the literal, or hexadecimal digits
  bool done_ = false;         // the value ends with the byte just taken
  bool complete_ = false;
  std::string value_;
  std::string error_;
};

}  // namespace holdfast::rpc
