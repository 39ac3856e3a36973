// A process whose end the test sees as an exception.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "env/process.h"

namespace holdfast {

class ThrowingProcess final : public env::Process {
 public:
  [[noreturn]] void die(std::string_view message) override { throw std::runtime_error(std::string(message)); }
};

}  // namespace holdfast
