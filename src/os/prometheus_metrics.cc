#include "os/prometheus_metrics.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "fmt/format.h"

namespace holdfast::os {

// Whole numbers, which is nearly all that is ever counted, cost one atomic addition.
class PrometheusMetrics::CounterSeries final : public env::Counter {
 public:
  explicit CounterSeries(const std::vector<double>&) {}
  void add(double n) override {
    if (n < 0) return;  // a counter never goes down
    const auto whole = static_cast<uint64_t>(n);
    if (static_cast<double>(whole) == n) {
      whole_.fetch_add(whole, std::memory_order_relaxed);
    } else {
      parts_.fetch_add(n, std::memory_order_relaxed);
    }
  }
  double value() const {
    return static_cast<double>(whole_.load(std::memory_order_relaxed)) +
           parts_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> whole_{0};
  std::atomic<double> parts_{0};
};

class PrometheusMetrics::GaugeSeries final : public env::Gauge {
 public:
  explicit GaugeSeries(const std::vector<double>&) {}
  void set(double v) override { value_.store(v, std::memory_order_relaxed); }
  void add(double n) override { value_.fetch_add(n, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// A page read while others observe may show a sum that lags behind the count by those observations.
class PrometheusMetrics::HistogramSeries final : public env::Histogram {
 public:
  explicit HistogramSeries(const std::vector<double>& bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}
  void observe(double v) override {
    const size_t bucket = std::lower_bound(bounds_.begin(), bounds_.end(), v) - bounds_.begin();
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(v, std::memory_order_relaxed);
  }
  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t count(size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;  // the last is for what is above all bounds
  std::atomic<double> sum_{0};
};

namespace {

constexpr std::string_view kTypeNames[] = {"counter", "gauge", "histogram"};

void append_escaped(std::string& out, std::string_view text, bool with_quotes) {
  for (char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && with_quotes) out += "\\\"";
    else out.push_back(c);
  }
}

std::string label_text(env::Labels labels) {
  std::sort(labels.begin(), labels.end());
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text.push_back(',');
    text += name + "=\"";
    append_escaped(text, value, true);
    text.push_back('"');
  }
  return text;
}

void append_line(std::string& out, std::string_view name, std::string_view suffix,
                 std::string_view labels, std::string_view more_labels, double value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !more_labels.empty()) {
    out.push_back('{');
    out += labels;
    if (!labels.empty() && !more_labels.empty()) out.push_back(',');
    out += more_labels;
    out.push_back('}');
  }
  out.push_back(' ');
  out += go_number(value);
  out.push_back('\n');
}

}  // namespace

std::string go_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, end - buffer);
  const size_t e = scientific.find('e');
  int exponent = 0;
  std::from_chars(buffer + e + (buffer[e + 1] == '+' ? 2 : 1), end, exponent);
  // Go takes the exponent form where %g with six digits would; C++'s own choice goes by length.
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  const auto fixed_end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  return std::string(buffer, fixed_end - buffer);
}

PrometheusMetrics::PrometheusMetrics() = default;
PrometheusMetrics::~PrometheusMetrics() = default;

template <class T>
T& PrometheusMetrics::series(const std::string& name, const std::string& help,
                             const std::vector<double>& buckets, const env::Labels& labels) {
  constexpr size_t kType = std::is_same_v<T, CounterSeries> ? 0 : std::is_same_v<T, GaugeSeries> ? 1 : 2;
  std::lock_guard lock(mutex_);
  const auto [found, added] = families_.try_emplace(name, Family{help, kType, buckets, {}});
  Family& family = found->second;
  CHECK(family.type == kType, "metric {} is asked for with two types", name);
  CHECK(family.buckets == buckets, "metric {} is asked for with two lists of buckets", name);
  auto [place, is_new] = family.by_labels.try_emplace(label_text(labels));
  if (is_new) place->second = std::make_unique<T>(buckets);
  return *std::get<std::unique_ptr<T>>(place->second);
}

env::Counter& PrometheusMetrics::counter(const std::string& name, const std::string& help,
                                         const env::Labels& labels) {
  return series<CounterSeries>(name, help, {}, labels);
}

env::Gauge& PrometheusMetrics::gauge(const std::string& name, const std::string& help,
                                     const env::Labels& labels) {
  return series<GaugeSeries>(name, help, {}, labels);
}

env::Histogram& PrometheusMetrics::histogram(const std::string& name, const std::string& help,
                                             const std::vector<double>& buckets,
                                             const env::Labels& labels) {
  CHECK(std::is_sorted(buckets.begin(), buckets.end()), "buckets of {} are not sorted", name);
  return series<HistogramSeries>(name, help, buckets, labels);
}

void PrometheusMetrics::before_render(std::function<void()> refresh) {
  refreshes_.push_back(std::move(refresh));
}

void PrometheusMetrics::print(std::string& out, const std::string& name, const std::string& labels,
                              const Series& series) {
  if (const auto* counter = std::get_if<std::unique_ptr<CounterSeries>>(&series)) {
    append_line(out, name, "", labels, "", (*counter)->value());
    return;
  }
  if (const auto* gauge = std::get_if<std::unique_ptr<GaugeSeries>>(&series)) {
    append_line(out, name, "", labels, "", (*gauge)->value());
    return;
  }
  const HistogramSeries& histogram = *std::get<std::unique_ptr<HistogramSeries>>(series);
  uint64_t total = 0;
  for (size_t i = 0; i < histogram.bounds().size(); ++i) {
    total += histogram.count(i);
    append_line(out, name, "_bucket", labels,
                fmt::format("le=\"{}\"", go_number(histogram.bounds()[i])),
                static_cast<double>(total));
  }
  total += histogram.count(histogram.bounds().size());
  append_line(out, name, "_bucket", labels, "le=\"+Inf\"", static_cast<double>(total));
  append_line(out, name, "_sum", labels, "", histogram.sum());
  append_line(out, name, "_count", labels, "", static_cast<double>(total));
}

std::string PrometheusMetrics::render() {
  for (const auto& refresh : refreshes_) refresh();
  std::string out;
  std::lock_guard lock(mutex_);  // against new series; updates go on
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} ", name);
    append_escaped(out, family.help, false);
    out += fmt::format("\n# TYPE {} {}\n", name, kTypeNames[family.type]);
    for (const auto& [labels, series] : family.by_labels) print(out, name, labels, series);
  }
  return out;
}

}  // namespace holdfast::os
