#include "net/http_client.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "net/http_client_parts.h"

namespace holdfast::net {

void HttpClient::Core::pause(bool paused) {
  if (session_ && sent_) session_->pause(paused);
}

HttpClient::Session* HttpClient::Core::uploading() {
  return session_ && sent_ && !exchanges_.empty() && exchanges_.front()->upload ? session_ : nullptr;
}

// Not from inside the connection's methods: the writer may do anything.
void HttpClient::Core::upload_opened() {
  thread_.post([self = shared_from_this()] {
    if (self->uploading() && self->exchanges_.front()->upload->on_open) self->exchanges_.front()->upload->on_open();
  });
}

void HttpClient::Core::upload_drained() {
  thread_.post([self = shared_from_this()] {
    if (self->uploading() && self->exchanges_.front()->upload->on_drained)
      self->exchanges_.front()->upload->on_drained();
  });
}

void HttpClient::Core::add(std::unique_ptr<Exchange> exchange) {
  if (exchanges_.size() > options_.max_waiting) {
    thread_.post([e = std::move(exchange)]() mutable {
      e->done(make_status(absl::StatusCode::kResourceExhausted, "too many requests wait for the connection"), {});
    });
    return;
  }
  if (exchange->request.timeout) {
    exchange->timer = thread_.post_after(*exchange->request.timeout, [this, e = exchange.get()] {
      e->timer = 0;
      auto late = make_status(absl::StatusCode::kDeadlineExceeded, "context deadline exceeded");
      if (exchanges_.front().get() == e) {
        fail_first(late);
        return;
      }
      auto it = std::find_if(exchanges_.begin(), exchanges_.end(), [&](auto& x) { return x.get() == e; });
      auto taken = std::move(*it);
      exchanges_.erase(it);
      taken->done(late, {});
    });
  }
  exchanges_.push_back(std::move(exchange));
  if (exchanges_.size() == 1) next();
}

void HttpClient::Core::next() {
  sent_ = false;
  if (exchanges_.empty() || shut_) return;
  if (session_ && session_->usable()) {
    sent_ = true;
    session_->send(*exchanges_.front());
  } else if (!link_.opening()) {
    link_.open(shared_from_this(), [this](const absl::Status& status) { on_connected(status); });
  }
}

std::unique_ptr<HttpClient::Exchange> HttpClient::Core::take_first() {
  auto exchange = std::move(exchanges_.front());
  exchanges_.pop_front();
  thread_.cancel(std::exchange(exchange->timer, 0));
  return exchange;
}

void HttpClient::Core::answered(HttpResponse response, bool keep) {
  auto keep_alive = shared_from_this();
  auto exchange = take_first();
  if (!keep) session_ = nullptr;
  // The next request may come from done(), or be waiting already: it must not find the parser on the stack.
  thread_.post([self = keep_alive] {
    if (!self->sent_) self->next();
  });
  sent_ = false;
  exchange->done(absl::OkStatus(), std::move(response));
}

void HttpClient::Core::fail_first(const absl::Status& status) {
  auto keep_alive = shared_from_this();
  auto exchange = take_first();
  if (sent_ && session_) {
    session_->forget();
    session_ = nullptr;
  }
  sent_ = false;
  thread_.post([self = keep_alive] {
    if (!self->sent_) self->next();
  });
  exchange->done(status, {});
}

void HttpClient::Core::session_lost(Session& session, bool answer_begun) {
  if (session_ != &session) return;
  session_ = nullptr;
  if (!sent_ || exchanges_.empty()) return;
  Exchange& first = *exchanges_.front();
  if (const std::string& error = link_.tls_error(); !error.empty())
    return fail_first(make_status(absl::StatusCode::kUnavailable, error));
  const bool safe = first.request.method == "GET" || first.request.method == "HEAD";
  if (safe && session.kept() && !answer_begun && !std::exchange(first.retried, true)) {
    next();
    return;
  }
  fail_first(make_status(absl::StatusCode::kUnavailable, "connection lost: EOF"));
}

void HttpClient::Core::on_connected(const absl::Status& status) {
  if (!status.ok()) {
    if (!exchanges_.empty()) fail_first(status);
    return;
  }
  link_.connection().set_write_timeout(options_.write_timeout);
  auto session = std::make_unique<Session>(*this, link_.connection());
  session_ = session.get();
  link_.connection().start(std::move(session));
  next();
}

void HttpClient::Core::shut() {
  shut_ = true;
  session_ = nullptr;
  link_.shut();
  for (auto& exchange : exchanges_) thread_.cancel(std::exchange(exchange->timer, 0));
  exchanges_.clear();
}

HttpClient::HttpClient(IoThread& thread, HttpClientOptions options)
    : core_(std::make_shared<Core>(thread, std::move(options))) {}

HttpClient::~HttpClient() { shut_on_its_thread(core_); }

void HttpClient::send(HttpClientRequest request, Done done) {
  send(std::move(request), nullptr, std::move(done));
}

void HttpClient::send(HttpClientRequest request, std::unique_ptr<Sink> sink, Done done) {
  auto exchange = std::make_unique<Exchange>();
  exchange->request = std::move(request);
  exchange->sink = std::move(sink);
  exchange->done = std::move(done);
  core_->add(std::move(exchange));
}

void HttpClient::pause() { core_->pause(true); }
void HttpClient::resume() { core_->pause(false); }

void HttpClient::upload(HttpClientRequest request, Upload upload, Done done) {
  auto exchange = std::make_unique<Exchange>();
  exchange->request = std::move(request);
  exchange->upload = std::move(upload);
  exchange->done = std::move(done);
  core_->add(std::move(exchange));
}

void HttpClient::write(std::string piece) {
  if (Session* session = core_->uploading()) session->write(piece);
}

void HttpClient::end() {
  if (Session* session = core_->uploading()) session->end();
}

size_t HttpClient::outbox_bytes() const {
  const Session* session = core_->uploading();
  return session ? session->outbox_bytes() : 0;
}

}  // namespace holdfast::net
