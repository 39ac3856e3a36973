// Where etcd's raft panics ours fails a CHECK. A transcript that goes there is broken, and the runner says where instead
// of dying of it.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace holdfast::transcript {

// OK, or InvalidArgument with what the CHECK said. What was being run must not be used any more.
absl::Status catch_panic(absl::FunctionRef<void()> body);

}  // namespace holdfast::transcript
