// holdfast: the server. Flags, logs, signals; everything else is wired in running_server.cc.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <memory>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "apps/holdfast/command_line.h"
#include "apps/holdfast/running_server.h"
#include "base/errors.h"
#include "env/file_system.h"
#include "os/default_host.h"
#include "os/log_output.h"
#include "os/zap_logger.h"

extern char** environ;

namespace holdfast::app {
namespace {

std::vector<std::pair<std::string, std::string>> environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

absl::StatusOr<std::vector<std::unique_ptr<os::LogOutput>>> open_log(const config::Config& config,
                                                                     const env::Clock& clock) {
  std::vector<std::unique_ptr<os::LogOutput>> outputs;
  for (const std::string& name : config.log_outputs) {
    if (name == "default" || name == "stderr") {
      outputs.push_back(os::log_to_descriptor(STDERR_FILENO));
    } else if (name == "stdout") {
      outputs.push_back(os::log_to_descriptor(STDOUT_FILENO));
    } else {
      const config::LogRotation& r = config.resolved.log_rotation;
      auto file = config.enable_log_rotation
                      ? os::log_to_rotated_file(
                            name,
                            {static_cast<uint64_t>(r.size_megabytes_max > 0 ? r.size_megabytes_max : 100) << 20,
                             r.age_days_max, r.backups_max, r.local_time, r.compress},
                            clock)
                      : os::log_to_file(name);
      if (!file.ok()) return file.status();
      outputs.push_back(*std::move(file));
    }
  }
  return outputs;
}

// As Go's runtime does at its start.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
}

os::ZapLoggerOptions log_options(const config::Config& config) {
  return {.level = config.resolved.log_level,
          .encoding = config.resolved.log_format == config::LogFormat::json
                          ? os::LogEncoding::json
                          : os::LogEncoding::console};
}

void log_notices(const config::Outcome& outcome, Logger& log) {
  for (const config::Notice& notice : outcome.notices)
    if (log.enabled(notice.level))
      log.write(notice.level, notice.message, notice.fields, __FILE__, __LINE__);
}

// Says why before it leaves: a refused flag is among the notices. On stderr, whatever the settings: those that name
// another place may be what is wrong.
int leave(const config::Outcome& outcome) {
  if (!outcome.notices.empty()) {
    os::SystemClock clock;
    std::vector<std::unique_ptr<os::LogOutput>> outputs;
    outputs.push_back(os::log_to_descriptor(STDERR_FILENO));
    os::ZapLogger log(outcome.log_settings_valid ? log_options(outcome.config)
                                                 : os::ZapLoggerOptions{},
                      std::move(outputs), clock);
    log_notices(outcome, log);
  }
  return outcome.exit_code;
}

int serve(const config::Outcome& outcome, const sigset_t& signals) {
  os::SystemClock clock;
  auto outputs = open_log(outcome.config, clock);
  if (!outputs.ok()) {
    std::fprintf(stderr, "holdfast: %s\n", std::string(message(outputs.status())).c_str());
    return EXIT_FAILURE;
  }
  os::ZapLogger log(log_options(outcome.config), *std::move(outputs), clock);
  log_notices(outcome, log);
  os::ProcessExit process(log, [&log] { log.flush(); });
  std::atomic<bool> removed{false};
  RunningServer server(outcome.config, clock, log, process, [&removed] {
    removed = true;
    kill(getpid(), SIGTERM);  // wakes sigwait()
  });
  const auto interrupted = [] {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
  };
  if (absl::Status status = server.start(interrupted); !status.ok()) {
    log.fatal("discovery failed", {{"error", message(status)}});  // etcd's word for all of them
    log.flush();
    if (interrupted()) pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // ends here
    std::_Exit(EXIT_FAILURE);
  }
  int signal = 0;
  sigwait(&signals, &signal);
  if (!removed) log.info("received signal; shutting down", {{"signal", strsignal(signal)}});
  server.stop();
  log.info("stopped");
  log.flush();
  if (removed || getpid() == 1) return EXIT_SUCCESS;
  // OPS-17: the exit status says by which signal.
  std::signal(signal, SIG_DFL);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  raise(signal);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace holdfast::app

int main(int argc, char** argv) {
  using namespace holdfast;
  std::signal(SIGPIPE, SIG_IGN);
  // Before any thread exists, so that all inherit it: only sigwait() takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  os::PosixFileSystem files;
  config::Surroundings surroundings;
  surroundings.environment = app::environment();
  surroundings.architecture = config::built_for();
  surroundings.read_file = [&files](const std::string& path) {
    return env::read_file(files, path, config::kConfigFileBytesMax);
  };
  surroundings.default_host = os::find_default_host();
  const config::Outcome outcome =
      config::read_configuration(std::vector<std::string>(argv + 1, argv + argc), surroundings);
  std::fputs(outcome.to_stdout.c_str(), stdout);
  std::fputs(outcome.to_stderr.c_str(), stderr);
  if (outcome.next == config::Outcome::Next::leave) return app::leave(outcome);
  app::raise_descriptor_limit();
  return app::serve(outcome, signals);
}
