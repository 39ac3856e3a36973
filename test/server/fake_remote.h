// Other members' peer ports, as far as they are asked single questions.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/remote_cluster.h"

namespace holdfast::server {

// Answers by URL; others can't be reached.
class FakeRemote : public RemoteCluster {
 public:
  void get_members(const Request& request, Done<Membership> done) override {
    answer(request, memberships, std::move(done));
  }
  void get_versions(const Request& request, Done<Versions> done) override {
    answer(request, versions, std::move(done));
  }
  void is_downgrading(const Request& request, Done<bool> done) override {
    answer(request, downgrading, std::move(done));
  }
  void get_hash(const Request& request, ClusterId, Revision, Done<mvcc::HashResult> done) override {
    answer(request, hashes, std::move(done));
  }
  void promote(const Request& request, MemberId id, const std::string& token,
               Done<std::vector<membership::Member>> done) override {
    promoted.emplace_back(id, token);
    answer(request, promotions, std::move(done));
  }

  std::map<std::string, absl::StatusOr<Membership>> memberships;
  std::map<std::string, absl::StatusOr<Versions>> versions;
  std::map<std::string, absl::StatusOr<bool>> downgrading;
  std::map<std::string, absl::StatusOr<mvcc::HashResult>> hashes;
  std::map<std::string, absl::StatusOr<std::vector<membership::Member>>> promotions;
  std::vector<std::string> asked;
  std::vector<std::pair<MemberId, std::string>> promoted;

 private:
  template <class T>
  void answer(const Request& request, const std::map<std::string, absl::StatusOr<T>>& answers,
              Done<T> done) {
    asked.push_back(request.url);
    const auto it = answers.find(request.url);
    absl::StatusOr<T> result = absl::UnavailableError("connection refused");
    if (it != answers.end()) result = it->second;
    request.reply_on->post([result = std::move(result), done = std::move(done)]() mutable {
      done(std::move(result));
    });
  }
};

}  // namespace holdfast::server
