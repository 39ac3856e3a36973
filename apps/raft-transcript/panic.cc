#include "raft-transcript/panic.h"

#include <string>

#include "base/check.h"

namespace holdfast {

namespace {

struct Panic {
  std::string text;
};

}  // namespace

// Replaces base/check.cc in whatever links this library.
void check_failed(const char* file, int line, const char* condition, std::string_view message) {
  throw Panic{message.empty() ? fmt::format("CHECK failed at {}:{}: {}", file, line, condition)
                              : std::string(message)};
}

namespace transcript {

absl::Status catch_panic(absl::FunctionRef<void()> body) {
  try {
    body();
  } catch (const Panic& panic) {
    return absl::InvalidArgumentError("raft panicked: " + panic.text);
  }
  return absl::OkStatus();
}

}  // namespace transcript

}  // namespace holdfast
