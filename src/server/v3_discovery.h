// Members that only know a common token find each other in another cluster (etcd api/v3discovery/discovery.go; parity
// OPS-02, OPS-03). There, under /_etcd/registry/TOKEN:
//   _config/size      how many members the new cluster shall have, written by its owner
//   members/{hex id}  "name=url,name=url2", written by each member; the first `size` to come are the cluster
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "base/task.h"
#include "env/executor.h"
#include "server/cluster_finder.h"

namespace holdfast::server {

// The keys of the cluster that serves the discovery. Asked and answered on the executor that open() was given; answers
// come later, never inside the call. Errors: the server's, or Unavailable and DeadlineExceeded.
class DiscoveryStore {
 public:
  virtual ~DiscoveryStore() = default;

  struct Pair {
    std::string key;
    std::string value;
    int64_t create_revision = 0;
  };
  struct Answer {
    std::vector<Pair> pairs;
    int64_t revision = 0;  // of the store
  };
  template <class T>
  using Done = UniqueFunction<void(absl::StatusOr<T>)>;
  using Finished = UniqueFunction<void(absl::Status)>;

  // First: reads certificates and logs in, where that is asked for.
  virtual void open(env::Executor& executor, Finished done) = 0;
  virtual void get(const std::string& key, Done<Answer> done) = 0;
  virtual void get_prefix(const std::string& prefix, Done<Answer> done) = 0;
  virtual void put(const std::string& key, const std::string& value, Finished done) = 0;
  // What is written under `prefix` from `revision` on, until stop_watching(), which may be called from inside, or until
  // `ended` says why it came to an end.
  virtual void watch(const std::string& prefix, int64_t revision,
                     UniqueFunction<void(std::vector<Pair>)> on_pairs, Finished ended) = 0;
  virtual void stop_watching() = 0;
};

// One join at a time. What it calls back lives as long as it does.
class V3Discovery final : public Discovery {
 public:
  // `endpoints` are for the log.
  V3Discovery(DiscoveryStore& store, Logger& log, std::string token, std::vector<std::string> endpoints);

  void join(MemberId self, const std::string& own_urls, env::Executor& executor,
            UniqueFunction<void(absl::StatusOr<std::string>)> done) override;

 private:
  struct Registered {
    std::string key;
    std::string urls;
    int64_t create_revision;
  };
  using Next = Task;

  void check_cluster(Next next);
  void ask_members(Next next);
  void register_self(Next next);
  void wait_for_members();
  void watch_members();
  void add(const DiscoveryStore::Pair& pair);
  bool is_full_without_self() const;
  bool complete() const { return members_.size() >= size_; }
  void retry(std::string_view step, Next again);
  void finish();
  void finish(absl::StatusOr<std::string> result);
  std::string member_key() const;
  void warn(std::string_view text, const std::string& key, const absl::Status& why);

  DiscoveryStore& store_;
  Logger& log_;
  const std::string token_;
  const std::vector<std::string> endpoints_;
  std::string size_key_, members_prefix_;
  env::Executor* executor_ = nullptr;
  MemberId self_;
  std::string own_urls_;
  UniqueFunction<void(absl::StatusOr<std::string>)> done_;
  size_t size_ = 0;
  std::vector<Registered> members_;  // by create revision
  int64_t revision_ = 0;             // up to which members_ is known
  int retries_ = 0;                  // in a row
};

}  // namespace holdfast::server
