#include "peer/prober.h"

#include <charconv>
#include <ctime>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/dialer.h"

namespace holdfast::peer {

namespace {

constexpr env::Duration kReportWell = std::chrono::seconds(30);
constexpr env::Duration kReportUnwell = std::chrono::seconds(5);
constexpr env::Duration kClockDriftMax = std::chrono::seconds(1);
constexpr int64_t kSecond = 1'000'000'000;

// A number of so many digits at the front of `text`.
bool take_number(std::string_view& text, size_t digits, int& value) {
  if (text.size() < digits) return false;
  const auto parsed = std::from_chars(text.data(), text.data() + digits, value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + digits) return false;
  text.remove_prefix(digits);
  return true;
}
bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// "2026-01-02T15:04:05.999999999+01:00".
std::optional<int64_t> parse_rfc3339(std::string_view text) {
  std::tm t{};
  int year = 0, month = 0;
  if (!take_number(text, 4, year) || !take(text, '-') || !take_number(text, 2, month) ||
      !take(text, '-') || !take_number(text, 2, t.tm_mday) || !take(text, 'T') ||
      !take_number(text, 2, t.tm_hour) || !take(text, ':') || !take_number(text, 2, t.tm_min) ||
      !take(text, ':') || !take_number(text, 2, t.tm_sec))
    return std::nullopt;
  t.tm_year = year - 1900;
  t.tm_mon = month - 1;
  int64_t fraction = 0;
  if (take(text, '.')) {
    int64_t unit = kSecond / 10;
    for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), unit /= 10)
      fraction += unit * (text[0] - '0');
  }
  int64_t offset = 0;
  if (!take(text, 'Z')) {
    const int sign = take(text, '-') ? -1 : take(text, '+') ? 1 : 0;
    int hours = 0, minutes = 0;
    if (sign == 0 || !take_number(text, 2, hours) || !take(text, ':') || !take_number(text, 2, minutes))
      return std::nullopt;
    offset = sign * (hours * 3600 + minutes * 60);
  }
  if (!text.empty()) return std::nullopt;
  return (static_cast<int64_t>(timegm(&t)) - offset) * kSecond + fraction;
}

}  // namespace

std::string health_json(int64_t unix_nanoseconds) {
  const std::time_t seconds = static_cast<std::time_t>(unix_nanoseconds / kSecond);
  std::tm t{};
  gmtime_r(&seconds, &t);
  // Go leaves out the zeros at the end of the fraction.
  std::string fraction = fmt::format(".{:09}", unix_nanoseconds % kSecond);
  fraction.erase(fraction.find_last_not_of("0.") + 1);
  return fmt::format(R"({{"OK":true,"Now":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z"}})", t.tm_year + 1900,
                     t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, fraction);
}

std::optional<int64_t> parse_health(std::string_view json) {
  if (json.find("\"OK\":true") == std::string_view::npos) return std::nullopt;
  constexpr std::string_view kNow = "\"Now\":\"";
  const size_t at = json.find(kNow);
  if (at == std::string_view::npos) return std::nullopt;
  json.remove_prefix(at + kNow.size());
  return parse_rfc3339(json.substr(0, json.find('"')));
}

struct Prober::Probe {
  Prober* prober;  // null: given up
  std::unique_ptr<net::HttpClient> client;
};

Prober::Prober(const TransportWorld& world, MemberId remote, UrlPicker picker, PeerSeries& series,
               std::string_view name)
    : world_(world), remote_(remote), picker_(std::move(picker)), series_(series), name_(name) {
  report_timer_ = world_.thread.post_after(kReportUnwell, [this] { report(); });
  probe();
}

Prober::~Prober() {
  world_.thread.cancel(probe_timer_);
  world_.thread.cancel(report_timer_);
  if (!probe_) return;
  probe_->prober = nullptr;
  dispose(world_.thread, std::move(probe_->client));
}

void Prober::probe() {
  // Before the peer, or what stands between, ends a silent connection.
  const env::Duration interval =
      std::max<env::Duration>(world_.settings.read_timeout - std::chrono::seconds(1), std::chrono::seconds(1));
  probe_timer_ = world_.thread.post_after(interval, [this] { probe(); });
  const auto address = picker_.pick();
  if (!address) return;
  if (!probe_ || client_address_ != address) {
    if (probe_) {
      probe_->prober = nullptr;
      dispose(world_.thread, std::move(probe_->client));
    }
    probe_ = std::make_shared<Probe>(
        Probe{this, make_client(world_.thread, world_.settings, *address)});
    client_address_ = address;
  }
  net::HttpClientRequest request;
  request.target = "/raft/probing";
  request.timeout = interval;
  probe_->client->send(std::move(request), [probe = probe_, address = *address, asked = world_.thread.now()](
                                               const absl::Status& status, const net::HttpResponse& response) {
    if (probe->prober) probe->prober->on_answer(address, asked, status, response);
  });
}

void Prober::on_answer(const Address& address, env::Instant asked, const absl::Status& status,
                       const net::HttpResponse& response) {
  std::optional<int64_t> their_time;
  if (!status.ok()) {
    error_ = message(status);
  } else if (response.status != 200) {
    error_ = fmt::format("unexpected status {}", response.status);
  } else if (their_time = parse_health(response.body); !their_time) {
    error_ = "unexpected answer";
  }
  healthy_ = their_time.has_value();
  if (!healthy_) {
    picker_.unreachable(address);
    return;
  }
  error_.clear();
  const env::Duration took = world_.thread.now() - asked;
  round_trip_ = round_trip_.count() == 0 ? took : (7 * round_trip_ + took) / 8;
  clock_drift_ = env::Duration(world_.thread.clock().unix_nanoseconds() - *their_time) - round_trip_ / 2;
}

void Prober::report() {
  report_timer_ =
      world_.thread.post_after(healthy_ ? kReportWell : kReportUnwell, [this] { report(); });
  const double seconds = static_cast<double>(round_trip_.count()) / 1e9;
  if (!healthy_)
    world_.log.warn("prober detected unhealthy status", {{"round-tripper-name", name_},
                                                         {"remote-peer-id", remote_},
                                                         {"rtt", seconds},
                                                         {"error", error_}});
  if (clock_drift_ > kClockDriftMax)
    world_.log.warn("prober found high clock drift",
                    {{"round-tripper-name", name_},
                     {"remote-peer-id", remote_},
                     {"clock-drift", static_cast<double>(clock_drift_.count()) / 1e9},
                     {"rtt", seconds}});
  series_.round_trip_seconds.observe(seconds);
}

}  // namespace holdfast::peer
