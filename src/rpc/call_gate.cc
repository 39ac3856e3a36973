#include "rpc/call_gate.h"

#include "base/errors.h"

namespace holdfast::rpc {

CallGate::CallGate(const server::MemberInfo& member, env::Metrics& metrics, Identify identify)
    : member_(member),
      identify_(std::move(identify)),
      unary_(metrics, "unary"),
      stream_(metrics, "stream") {}

bool CallGate::requires_leader(const net::Call& call) {
  return call.metadata("hasleader") == "true";
}

absl::Status CallGate::admit(const net::Call& call, OnLearner on_learner,
                             ClientVersions& versions) {
  if (on_learner == OnLearner::refused && member_.is_learner())
    return error(EtcdError::not_supported_for_learner);
  const std::string_view version = call.metadata("client-api-version").value_or("unknown");
  if (!is_valid_utf8(version)) return error(EtcdError::invalid_client_api_version);
  versions.count(version);
  if (requires_leader(call) && !member_.leader()) return error(EtcdError::no_leader);
  return absl::OkStatus();
}

std::string_view token_of(const net::Call& call) {
  auto token = call.metadata("token");
  if (!token) token = call.metadata("authorization");
  if (!token) return {};
  constexpr std::string_view kBearer = "Bearer ";
  if (token->starts_with(kBearer)) token->remove_prefix(kBearer.size());
  return *token;
}

absl::StatusOr<server::CallContext> CallGate::context(const net::Call& call) const {
  server::CallContext context;
  context.reply_on = &call.executor();
  context.deadline = call.deadline().value_or(server::kNoDeadline);
  if (identify_) {
    auto who = identify_(call);
    if (!who.ok()) return who.status();
    context.auth = *std::move(who);
  }
  return context;
}

}  // namespace holdfast::rpc
