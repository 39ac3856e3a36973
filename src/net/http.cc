#include "net/http.h"

#include <algorithm>

#include "net/http_stream.h"

namespace holdfast::net {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::optional<std::string_view> find_field(const HttpFields& fields, std::string_view name) {
  for (const auto& [field, value] : fields)
    if (same_name(field, name)) return value;
  return std::nullopt;
}

void HttpExchange::on_cancel(Task hook) {
  if (cancelled()) {
    thread_->post(std::move(hook));
  } else if (stream_) {
    cancel_hook_ = std::move(hook);
  }
}

void HttpExchange::respond(int status, HttpFields fields, std::string body) {
  if (!stream_ || progress_ != Progress::none) return;
  progress_ = Progress::ended;
  stream_->respond(status, std::move(fields), std::move(body));
}

void HttpExchange::start(int status, HttpFields fields) {
  if (!stream_ || progress_ != Progress::none) return;
  progress_ = Progress::started;
  stream_->start(status, std::move(fields));
}

bool HttpExchange::upgrade(HttpFields fields, std::unique_ptr<HttpBodySink> tunnel) {
  if (!stream_ || progress_ != Progress::none) return false;
  if (!stream_->upgrade(std::move(fields), std::move(tunnel))) return false;
  progress_ = Progress::started;
  return true;
}

void HttpExchange::write(std::string piece) {
  if (stream_ && progress_ == Progress::started && !piece.empty()) stream_->write(std::move(piece));
}

void HttpExchange::end() {
  if (!stream_ || progress_ != Progress::started) return;
  progress_ = Progress::ended;
  stream_->end();
}

void HttpExchange::pause_body() {
  if (stream_) stream_->pause_body();
}

void HttpExchange::resume_body() {
  if (stream_) stream_->resume_body();
}

void HttpExchange::last_reference_gone() {
  // Destroyed with the task if the thread has ended.
  struct Settle {
    std::unique_ptr<HttpExchange, void (*)(HttpExchange*)> exchange;
    void operator()() {
      if (!exchange->stream_) return;
      if (exchange->progress_ == Progress::none)
        exchange->respond(500, {{"Content-Type", "text/plain; charset=utf-8"}},
                          "Internal Server Error\n");
      if (exchange->progress_ == Progress::started) exchange->stream_->abandon();
      if (exchange->stream_) exchange->stream_->forget_exchange();
    }
  };
  Settle settle{{this, +[](HttpExchange* exchange) { delete exchange; }}};
  if (thread_->running_here()) {
    settle();
  } else {
    IoThread* thread = thread_;
    thread->post(std::move(settle));
  }
}

bool HttpExchange::try_retain() {
  uint32_t count = references_.load(std::memory_order_relaxed);
  while (count != 0)
    if (references_.compare_exchange_weak(count, count + 1, std::memory_order_acq_rel)) return true;
  return false;
}

HttpExchangeRef HttpStream::open_exchange(HttpRequest request, std::shared_ptr<const PeerInfo> peer,
                                          IoThread& thread) {
  exchange_ = new HttpExchange();
  exchange_->request_ = std::move(request);
  exchange_->peer_ = std::move(peer);
  exchange_->thread_ = &thread;
  exchange_->stream_ = this;
  above_low_water_ = false;
  return HttpExchangeRef(exchange_);
}

void HttpStream::cancel_exchange() {
  HttpExchange* exchange = exchange_;
  if (exchange == nullptr) return;
  bool held = exchange->try_retain();
  exchange->cancelled_.store(true, std::memory_order_release);
  Task hook = std::exchange(exchange->cancel_hook_, {});
  forget_exchange();
  if (!held) return;
  if (hook) hook();
  exchange->release();
}

void HttpStream::forget_exchange() {
  if (exchange_ == nullptr) return;
  // Hooks may hold handles of the exchange, and die with them.
  HttpExchange* exchange = std::exchange(exchange_, nullptr);
  exchange->stream_ = nullptr;
  Task cancel_hook = std::exchange(exchange->cancel_hook_, {});
  Task drained_hook = std::exchange(exchange->drained_hook_, {});
}

void HttpStream::report_outbox(size_t bytes) {
  if (exchange_ == nullptr) return;
  exchange_->outbox_bytes_ = bytes;
  if (bytes > kHttpOutboxLowWater) above_low_water_ = true;
  if (!above_low_water_ || bytes > kHttpOutboxLowWater) return;
  above_low_water_ = false;
  if (!exchange_->drained_hook_ || !exchange_->try_retain()) return;
  exchange_->thread_->post([exchange = HttpExchangeRef(exchange_)]() mutable {
    HttpExchange& e = *exchange;
    if (!e.stream_ || !e.drained_hook_) return;
    Task hook = std::exchange(e.drained_hook_, {});
    hook();
    if (e.stream_ && !e.drained_hook_) e.drained_hook_ = std::move(hook);
  });
  exchange_->release();
}

}  // namespace holdfast::net
