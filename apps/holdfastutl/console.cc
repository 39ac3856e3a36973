#include "apps/holdfastutl/console.h"

#include <cstdio>

#include "fmt/format.h"

namespace holdfast::utl {

void Warnings::write(LogLevel, std::string_view text, const std::vector<LogField>& fields,
                     const char*, int) {
  std::string line(text);
  for (const LogField& field : fields) line += fmt::format(" {}={}", field.name, field.json);
  fmt::print(stderr, "{}\n", line);
}

}  // namespace holdfast::utl
