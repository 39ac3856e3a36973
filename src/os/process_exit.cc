#include "os/process_exit.h"

#include <unistd.h>

namespace holdfast::os {

void ProcessExit::die(std::string_view message) {
  logger_.fatal(message);
  if (flush_) flush_();
  _exit(1);
}

}  // namespace holdfast::os
