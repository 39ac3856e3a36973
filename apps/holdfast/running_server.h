// The wiring of the server: which owners share a thread, which ports serve what. No logic.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "apps/holdfast/config.h"
#include "base/log.h"
#include "base/task.h"
#include "env/metrics.h"
#include "os/posix_file_system.h"
#include "os/process_exit.h"
#include "os/prometheus_metrics.h"
#include "os/system_clock.h"
#include "os/system_random.h"
#include "os/thread_executor.h"

namespace holdfast::app {

class RunningServer {
 public:
  // `request_stop`: the member was removed from its cluster, and stop() should be called. Any thread, once.
  RunningServer(const config::Config& config, const env::Clock& clock, Logger& log,
                os::ProcessExit& process, Task request_stop);
  ~RunningServer();

  // Opens the data directory, binds the ports and starts; returns once the member runs, which is before it is ready. A new
  // member may have to wait for others; `interrupted` is asked now and then whether to give up.
  absl::Status start(const std::function<bool()>& interrupted);
  // Graceful: calls under way are finished for at most ReqTimeout (OPS-17). Blocks until everything is closed.
  void stop();

 private:
  struct Wiring;
  absl::Status find_names(const std::function<bool()>& interrupted);
  absl::Status open_peer_side();
  void report_settings();
  absl::Status find_cluster(const std::function<bool()>& interrupted);
  absl::Status open_member();
  absl::Status check_for_corruption();
  void on_removed();
  absl::Status find_certificates();
  absl::Status bind_client_ports();
  absl::Status open_metrics_ports();
  void open_services();
  void on_ready();
  void export_facts();

  const config::Config& config_;
  const env::Clock& clock_;
  Logger& log_;
  os::ProcessExit& process_;
  Task request_stop_;
  std::unique_ptr<Wiring> wiring_;
};

}  // namespace holdfast::app
