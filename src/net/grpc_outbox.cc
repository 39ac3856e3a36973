#include "net/grpc_outbox.h"

#include <string_view>
#include <utility>

namespace holdfast::net {
namespace {

// An outbox that was once long does not keep its vector for the next call.
constexpr size_t kSlotsKept = 64;
// The same of a stream that is open and has nothing to send: a burst must not cost its memory for good (a watch stream
// lives for weeks), and a busy stream must not allocate all the time.
constexpr size_t kIdleSlotsKept = 512;

}  // namespace

void GrpcOutbox::push(OutMessage message) {
  messages_.emplace_back();
  Outgoing& last = messages_.back();
  write_message_prefix(last.prefix, message.size());
  last.message = std::move(message);
  bytes_ += last.size();
}

void GrpcOutbox::take(size_t size, std::string& out) {
  size_t left = size;
  while (left != 0) {
    Outgoing& first = messages_[first_];
    size_t offset = first_offset_;
    for (std::string_view part : {std::string_view(first.prefix, sizeof first.prefix),
                                  std::string_view(first.message.head), first.message.tail.view()}) {
      if (offset >= part.size()) {
        offset -= part.size();
        continue;
      }
      std::string_view piece = part.substr(offset, left);
      out.append(piece);
      left -= piece.size();
      first_offset_ += piece.size();
      offset = 0;
      if (left == 0) break;
    }
    if (first_offset_ == first.size()) {
      first.message = {};
      ++first_;
      first_offset_ = 0;
    }
  }
  bytes_ -= size;
  announced_ = 0;
  if (dropped_ || first_ == messages_.size()) {
    dropped_ = false;
    drop();
  } else if (first_ > kSlotsKept && first_ * 2 > messages_.size()) {
    messages_.erase(messages_.begin(), messages_.begin() + static_cast<ptrdiff_t>(first_));
    first_ = 0;
  }
}

void GrpcOutbox::drop() {
  if (announced_ != 0) {
    bytes_ = announced_;
    dropped_ = true;
    return;
  }
  messages_.clear();
  if (messages_.capacity() > kIdleSlotsKept) messages_ = {};
  first_ = first_offset_ = bytes_ = 0;
}

void GrpcOutbox::close() {
  announced_ = 0;
  dropped_ = false;
  drop();
  if (messages_.capacity() > kSlotsKept) messages_ = {};
}

}  // namespace holdfast::net
