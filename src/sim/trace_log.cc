#include "sim/trace_log.h"

#include <cstdio>
#include <string>

#include "fmt/format.h"

namespace holdfast::sim {

void TraceLog::write(LogLevel level, std::string_view message, const std::vector<LogField>& fields, const char*, int) {
  std::string text = fmt::format("{:14.6f} {:5} {}", static_cast<double>(scheduler_.now().nanoseconds) / 1e9,
                                 to_string(level), message);
  for (const LogField& field : fields) text += fmt::format(" {}={}", field.name, field.json);
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace holdfast::sim
