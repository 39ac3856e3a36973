#include "raft/read_only.h"

#include <algorithm>

#include "base/wire.h"

namespace holdfast::raft {

bool ReadOnly::add_request(Index commit, Message request) {
  if (requests_.size() >= kMaxUnconfirmedReads) return false;
  requests_.push_back({std::move(request), commit});
  return true;
}

void ReadOnly::receive_ack(MemberId from, std::string_view context) {
  // 3.4 to 3.6 put the request's own context here; they echo ours as it is, so any other size is
  // not ours.
  if (context.size() != sizeof(uint64_t)) return;
  const uint64_t position = wire::read_le64(context.data());
  const auto at =
      std::find_if(acks_.begin(), acks_.end(), [from](const Ack& ack) { return ack.from == from; });
  if (at == acks_.end()) {
    acks_.push_back({from, position});
  } else {
    at->position = std::max(at->position, position);
  }
}

std::vector<ReadOnly::Request> ReadOnly::advance(const JointConfig& voters) {
  const Index acked = voters.committed_index([this](MemberId id) -> std::optional<Index> {
    const auto at =
        std::find_if(acks_.begin(), acks_.end(), [id](const Ack& ack) { return ack.from == id; });
    return at == acks_.end() ? std::nullopt : std::optional<Index>(Index(at->position));
  });
  std::vector<Request> confirmed;
  if (acked.value <= confirmed_) return confirmed;
  // A member cannot have seen more requests than there were; one that says so is not believed.
  const size_t n = std::min<uint64_t>(acked.value - confirmed_, requests_.size());
  confirmed.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    confirmed.push_back(std::move(requests_.front()));
    requests_.pop_front();
  }
  confirmed_ += n;
  return confirmed;
}

SharedBytes ReadOnly::heartbeat_context() const {
  if (requests_.empty()) return {};
  std::string bytes;
  wire::append_le64(bytes, confirmed_ + requests_.size());
  return SharedBytes(bytes);
}

}  // namespace holdfast::raft
