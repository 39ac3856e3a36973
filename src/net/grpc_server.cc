#include "net/grpc_server.h"

#include "base/check.h"
#include "base/errors.h"
#include "base/go_text.h"
#include "fmt/format.h"
#include "net/grpc_wire.h"

namespace holdfast::net {

GrpcServer::GrpcServer(GrpcOptions options, GrpcObserver* observer)
    : options_(options), observer_(observer) {}

void GrpcServer::register_unary(std::string_view path, UnaryHandler handler) {
  add(path, MethodKind::unary).unary = std::move(handler);
}

void GrpcServer::register_stream(std::string_view path, MethodKind kind, StreamHandler handler) {
  CHECK(kind != MethodKind::unary, "{} is not a stream", path);
  add(path, kind).stream = std::move(handler);
}

GrpcServer::Method& GrpcServer::add(std::string_view path, MethodKind kind) {
  size_t slash = path.rfind('/');
  CHECK(path.starts_with('/') && slash > 0, "not a method path: {}", path);
  auto method = std::make_unique<Method>();
  method->info = {.path = std::string(path),
                  .service = std::string(path.substr(1, slash - 1)),
                  .name = std::string(path.substr(slash + 1)),
                  .kind = kind,
                  .index = methods_.size()};
  bool added = by_path_.emplace(method->info.path, method.get()).second;
  CHECK(added, "method {} registered twice", path);
  methods_.push_back(std::move(method));
  return *methods_.back();
}

absl::Status GrpcServer::unknown_method(std::string_view path) const {
  auto unimplemented = [](std::string_view text) {
    return make_status(absl::StatusCode::kUnimplemented, text);
  };
  size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash == 0)
    return unimplemented(fmt::format("malformed method name: {}", go_quote(path)));
  std::string_view service = path.substr(1, slash - 1);
  for (const auto& method : methods_)
    if (method->info.service == service)
      return unimplemented(
          fmt::format("unknown method {} for service {}", path.substr(slash + 1), service));
  return unimplemented(fmt::format("unknown service {}", service));
}

}  // namespace holdfast::net
