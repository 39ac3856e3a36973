#include "wal/fault.h"

#include <string>

#include "absl/strings/cord.h"
#include "base/errors.h"

namespace holdfast::wal {

namespace {
constexpr char kPayload[] = "holdfast.wal.fault";
}  // namespace

Fault fault_of(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload || payload->size() != 1) return Fault::none;
  return static_cast<Fault>((*payload)[0]);
}

absl::Status fault_status(Fault fault, std::string_view message) {
  const bool missing = fault == Fault::file_not_found || fault == Fault::snapshot_not_found;
  absl::Status status = make_status(
      missing ? absl::StatusCode::kNotFound : absl::StatusCode::kDataLoss, message);
  status.SetPayload(kPayload, absl::Cord(std::string(1, static_cast<char>(fault))));
  return status;
}

}  // namespace holdfast::wal
