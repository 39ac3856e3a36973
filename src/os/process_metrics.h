// What the process and the machine say about this process, for GET /metrics (parity MET-33, MET-35): process_*, os_fd_*,
// promhttp_*, and those go_* names that dashboards made for etcd ask for, filled with what comes nearest.
#pragma once

#include <cstdint>
#include <string>

#include "env/clock.h"
#include "os/prometheus_metrics.h"

namespace holdfast::os {

struct ProcessUsage {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t virtual_bytes_max = 0;  // UINT64_MAX: no limit
  // By all of the host (its network namespace): the system keeps no others.
  uint64_t network_received_bytes = 0;
  uint64_t network_sent_bytes = 0;
  uint64_t threads = 0;
  uint64_t open_descriptors = 0;
  uint64_t descriptors_max = 0;
  double start_unix_seconds = 0;
};
// Reads /proc/self; what can't be read stays 0.
ProcessUsage read_process_usage();
// How many files the process may open; UINT64_MAX if nothing limits that.
uint64_t descriptor_limit();

// Adds the series to `metrics`, refreshed before each page. Call once; `metrics` keeps what it needs.
void add_process_metrics(PrometheusMetrics& metrics);

}  // namespace holdfast::os
