#include "os/process_metrics.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

namespace holdfast::os {
namespace {

// Fields of /proc/self/stat behind the command's name, which may hold spaces: [0] is field 3, the state.
std::vector<std::string> stat_fields() {
  std::string line;
  std::getline(std::ifstream("/proc/self/stat"), line);
  const size_t end = line.rfind(')');
  std::vector<std::string> fields;
  if (end == std::string::npos) return fields;
  std::istringstream rest(line.substr(end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

double boot_unix_seconds() {
  std::ifstream stat("/proc/stat");
  for (std::string word; stat >> word;)
    if (double seconds = 0; word == "btime" && stat >> seconds) return seconds;
  return 0;
}

uint64_t count_descriptors() {
  std::error_code error;
  uint64_t count = 0;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    ++count;
  return count > 0 ? count - 1 : 0;  // the one that was open for the listing
}

// The line that begins with "IpExt:" twice: names, then values. Of the network namespace, as Go's client library has them.
void read_network_octets(ProcessUsage& usage) {
  std::ifstream file("/proc/self/net/netstat");
  std::string names_line, values_line;
  while (std::getline(file, names_line) && std::getline(file, values_line)) {
    if (!names_line.starts_with("IpExt:")) continue;
    std::istringstream names(names_line), values(values_line);
    std::string name, value;
    while (names >> name && values >> value) {
      if (name == "InOctets") usage.network_received_bytes = std::stoull(value);
      if (name == "OutOctets") usage.network_sent_bytes = std::stoull(value);
    }
  }
}

}  // namespace

uint64_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

ProcessUsage read_process_usage() {
  ProcessUsage usage;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  // proc(5): utime is field 14, stime 15, num_threads 20, starttime 22, vsize 23, rss 24.
  if (const auto fields = stat_fields(); fields.size() > 21) {
    usage.cpu_seconds = (std::stod(fields[11]) + std::stod(fields[12])) / ticks;
    usage.threads = std::stoull(fields[17]);
    usage.start_unix_seconds = boot_unix_seconds() + std::stod(fields[19]) / ticks;
    usage.virtual_bytes = std::stoull(fields[20]);
    usage.resident_bytes = std::stoull(fields[21]) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  usage.open_descriptors = count_descriptors();
  rlimit limit{};
  usage.descriptors_max = descriptor_limit();
  if (getrlimit(RLIMIT_AS, &limit) == 0) usage.virtual_bytes_max = limit.rlim_cur;
  read_network_octets(usage);
  return usage;
}

void add_process_metrics(PrometheusMetrics& metrics) {
  struct Series {
    env::Counter& cpu;
    env::Gauge& resident;
    env::Gauge& virtual_memory;
    env::Gauge& virtual_memory_max;
    env::Counter& received;
    env::Counter& sent;
    env::Gauge& start_time;
    env::Gauge& open_fds;
    env::Gauge& max_fds;
    env::Gauge& fd_used;
    env::Gauge& fd_limit;
    env::Gauge& threads;
    env::Gauge& goroutines;
    env::Gauge& allocated;
    env::Gauge& heap_in_use;
    env::Gauge& heap_idle;
    env::Gauge& obtained;
    env::Counter& pages;
    ProcessUsage before;
  };
  auto series = std::make_shared<Series>(Series{
      metrics.counter("process_cpu_seconds_total", "User and system CPU time in seconds."),
      metrics.gauge("process_resident_memory_bytes", "Resident memory in bytes."),
      metrics.gauge("process_virtual_memory_bytes", "Virtual memory in bytes."),
      metrics.gauge("process_virtual_memory_max_bytes", "Limit of virtual memory in bytes."),
      metrics.counter("process_network_receive_bytes_total", "Bytes received over the network, by the whole host."),
      metrics.counter("process_network_transmit_bytes_total", "Bytes sent over the network, by the whole host."),
      metrics.gauge("process_start_time_seconds", "Start of the process in seconds since 1970."),
      metrics.gauge("process_open_fds", "Open file descriptors."),
      metrics.gauge("process_max_fds", "Limit of open file descriptors."),
      metrics.gauge("os_fd_used", "Open file descriptors."),
      metrics.gauge("os_fd_limit", "Limit of open file descriptors."),
      metrics.gauge("go_threads", "Threads."),
      metrics.gauge("go_goroutines", "Threads: the nearest there is to goroutines."),
      metrics.gauge("go_memstats_alloc_bytes", "Bytes allocated and in use."),
      metrics.gauge("go_memstats_heap_inuse_bytes", "Bytes allocated and in use."),
      metrics.gauge("go_memstats_heap_idle_bytes", "Bytes free inside the heap."),
      metrics.gauge("go_memstats_sys_bytes", "Bytes of heap obtained from the system."),
      metrics.counter("promhttp_metric_handler_requests_total", "Pages of metrics served.",
                      {{"code", "200"}})});
  for (const char* code : {"500", "503"})
    metrics.counter("promhttp_metric_handler_requests_total", "Pages of metrics served.",
                    {{"code", code}});
  metrics.gauge("promhttp_metric_handler_requests_in_flight", "Pages of metrics under way.").set(1);
  metrics.before_render([series] {
    const ProcessUsage usage = read_process_usage();
    series->cpu.add(usage.cpu_seconds - series->before.cpu_seconds);
    series->received.add(static_cast<double>(usage.network_received_bytes) -
                         static_cast<double>(series->before.network_received_bytes));
    series->sent.add(static_cast<double>(usage.network_sent_bytes) -
                     static_cast<double>(series->before.network_sent_bytes));
    series->before = usage;
    series->resident.set(static_cast<double>(usage.resident_bytes));
    series->virtual_memory.set(static_cast<double>(usage.virtual_bytes));
    series->virtual_memory_max.set(static_cast<double>(usage.virtual_bytes_max));
    series->start_time.set(usage.start_unix_seconds);
    for (env::Gauge* gauge : {&series->open_fds, &series->fd_used})
      gauge->set(static_cast<double>(usage.open_descriptors));
    for (env::Gauge* gauge : {&series->max_fds, &series->fd_limit})
      gauge->set(static_cast<double>(usage.descriptors_max));
    for (env::Gauge* gauge : {&series->threads, &series->goroutines})
      gauge->set(static_cast<double>(usage.threads));
    const struct mallinfo2 heap = mallinfo2();
    for (env::Gauge* gauge : {&series->allocated, &series->heap_in_use})
      gauge->set(static_cast<double>(heap.uordblks + heap.hblkhd));
    series->heap_idle.set(static_cast<double>(heap.fordblks));
    series->obtained.set(static_cast<double>(heap.arena + heap.hblkhd));
    series->pages.increment();
  });
}

}  // namespace holdfast::os
