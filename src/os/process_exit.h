// env::Process for production: the message goes to the log as a fatal line, then the process ends with code 1, without
// destructors and exit handlers, because nothing in memory can be trusted any more and other threads still run.
#pragma once

#include <functional>

#include "base/log.h"
#include "env/process.h"

namespace holdfast::os {

// Thread-safe.
class ProcessExit final : public env::Process {
 public:
  // `flush` (may be empty) is called after the line was written, for a logger that buffers.
  explicit ProcessExit(Logger& logger, std::function<void()> flush = {})
      : logger_(logger), flush_(std::move(flush)) {}
  [[noreturn]] void die(std::string_view message) override;

 private:
  Logger& logger_;
  const std::function<void()> flush_;
};

}  // namespace holdfast::os
