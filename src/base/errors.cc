#include "base/errors.h"

namespace holdfast {

namespace {
struct Row {
  absl::StatusCode code;
  std::string_view text;
};

constexpr Row kRows[] = {
#define HOLDFAST_ERROR_ROW(name, code, text) {static_cast<absl::StatusCode>(code), text},
    HOLDFAST_ERRORS(HOLDFAST_ERROR_ROW)
#undef HOLDFAST_ERROR_ROW
};

const Row& row(EtcdError which) { return kRows[static_cast<size_t>(which)]; }
}  // namespace

absl::Status make_status(absl::StatusCode code, std::string_view message) {
  return absl::Status(code, absl::string_view(message.data(), message.size()));
}

std::string_view message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

absl::Status error(EtcdError which) { return make_status(row(which).code, row(which).text); }

std::string_view text(EtcdError which) { return row(which).text; }

bool is(const absl::Status& status, EtcdError which) {
  return status.code() == row(which).code && message(status) == row(which).text;
}

}  // namespace holdfast
