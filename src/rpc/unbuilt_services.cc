#include <string>

#include "base/errors.h"
#include "fmt/format.h"
#include "rpc/rpc.h"

namespace holdfast::rpc {

namespace {

struct Method {
  const char* path;
  net::MethodKind kind;
};
constexpr net::MethodKind kUnary = net::MethodKind::unary;
constexpr net::MethodKind kServerStream = net::MethodKind::server_stream;

// GEN-01: everything on etcd's client port that has no service of ours yet.
constexpr Method kMethods[] = {
    {"/etcdserverpb.Auth/AuthEnable", kUnary},
    {"/etcdserverpb.Auth/AuthDisable", kUnary},
    {"/etcdserverpb.Auth/AuthStatus", kUnary},
    {"/etcdserverpb.Auth/Authenticate", kUnary},
    {"/etcdserverpb.Auth/UserAdd", kUnary},
    {"/etcdserverpb.Auth/UserGet", kUnary},
    {"/etcdserverpb.Auth/UserList", kUnary},
    {"/etcdserverpb.Auth/UserDelete", kUnary},
    {"/etcdserverpb.Auth/UserChangePassword", kUnary},
    {"/etcdserverpb.Auth/UserGrantRole", kUnary},
    {"/etcdserverpb.Auth/UserRevokeRole", kUnary},
    {"/etcdserverpb.Auth/RoleAdd", kUnary},
    {"/etcdserverpb.Auth/RoleGet", kUnary},
    {"/etcdserverpb.Auth/RoleList", kUnary},
    {"/etcdserverpb.Auth/RoleDelete", kUnary},
    {"/etcdserverpb.Auth/RoleGrantPermission", kUnary},
    {"/etcdserverpb.Auth/RoleRevokePermission", kUnary},
};

absl::Status not_built(const net::Call& call) {
  return make_status(absl::StatusCode::kUnimplemented,
                     fmt::format("holdfast: {} is not implemented yet", call.method().path));
}

}  // namespace

void register_unbuilt(net::GrpcServer& server) {
  for (const Method& method : kMethods) {
    if (server.find(method.path) != nullptr) continue;
    if (method.kind == kUnary) {
      server.register_unary(method.path,
                            [](net::UnaryCallRef call) { call->finish(not_built(*call)); });
      continue;
    }
    server.register_stream(method.path, method.kind,
                           [](net::StreamCallRef call) -> std::unique_ptr<net::StreamSession> {
                             call->finish(not_built(*call));
                             return nullptr;
                           });
  }
}

}  // namespace holdfast::rpc
