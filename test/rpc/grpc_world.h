// An RpcWorld with a blocking grpc++ client.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/sync_stream.h>

#include <memory>

#include "test/rpc/rpc_world.h"

namespace holdfast::rpc {

struct GrpcWorld : RpcWorld {
  explicit GrpcWorld(Options options = {})
      : RpcWorld(std::move(options)),
        channel(::grpc::CreateChannel(fmt::format("127.0.0.1:{}", listener->port()),
                                      ::grpc::InsecureChannelCredentials())) {}

  template <class Response, class Request>
  ::grpc::Status call(const char* path, const Request& request, Response* response,
                      ::grpc::ClientContext* context = nullptr) {
    ::grpc::ClientContext own;
    if (context == nullptr) context = &own;
    const ::grpc::internal::RpcMethod method(path, ::grpc::internal::RpcMethod::NORMAL_RPC);
    return ::grpc::internal::BlockingUnaryCall<Request, Response, Request, Response>(
        channel.get(), method, context, request, response);
  }
  template <class Response, class Request>
  std::unique_ptr<::grpc::ClientReader<Response>> read(const char* path, const Request& request,
                                                       ::grpc::ClientContext* context) {
    const ::grpc::internal::RpcMethod method(path, ::grpc::internal::RpcMethod::SERVER_STREAMING);
    return std::unique_ptr<::grpc::ClientReader<Response>>(
        ::grpc::internal::ClientReaderFactory<Response>::Create(channel.get(), method, context,
                                                                request));
  }

  std::shared_ptr<::grpc::Channel> channel;
};

}  // namespace holdfast::rpc
