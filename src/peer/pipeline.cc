#include "peer/pipeline.h"

#include <utility>

#include "base/errors.h"
#include "fmt/format.h"
#include "peer/dialer.h"
#include "raft/codec.h"

namespace holdfast::peer {

namespace {
// etcd's pipelineBufSize: what raft says to a peer within a second or so of trouble.
constexpr size_t kWaitingMax = 64;
constexpr std::string_view kSource = "pipeline";
}  // namespace

struct Pipeline::Lane {
  Pipeline* pipeline;  // null: given up
  std::unique_ptr<net::HttpClient> client;
  Address address;
  bool busy = false;
  size_t bytes = 0;
  bool is_snapshot = false;
};

Pipeline::Pipeline(const TransportWorld& world, MemberId remote, UrlPicker& picker, PeerStatus& status,
                   PeerSeries& series)
    : world_(world), remote_(remote), picker_(picker), status_(status), series_(series) {
  for (auto& lane : lanes_) lane = std::make_shared<Lane>(Lane{.pipeline = this});
  world_.log.info("started HTTP pipelining with remote peer",
                  {{"local-member-id", world_.self.member}, {"remote-peer-id", remote_}});
}

Pipeline::~Pipeline() {
  for (auto& lane : lanes_) {
    lane->pipeline = nullptr;
    dispose(world_.thread, std::move(lane->client));
  }
  world_.log.info("stopped HTTP pipelining with remote peer",
                  {{"local-member-id", world_.self.member}, {"remote-peer-id", remote_}});
}

bool Pipeline::send(raft::Message& message) {
  if (waiting_.size() >= kWaitingMax) return false;
  waiting_.push_back(std::move(message));
  for (auto& lane : lanes_) {
    if (lane->busy) continue;
    start(lane);
    break;
  }
  return true;
}

void Pipeline::start(const std::shared_ptr<Lane>& lane) {
  if (waiting_.empty()) return;
  const raft::Message message = std::move(waiting_.front());
  waiting_.pop_front();
  lane->busy = true;
  lane->is_snapshot = message.type == raft::MessageType::snap;
  const auto address = picker_.pick();
  if (!address) {
    world_.thread.post([lane] {
      if (lane->pipeline)
        lane->pipeline->finish(lane, make_status(absl::StatusCode::kUnavailable,
                                                 "the member has no URL that can be dialled"), {});
    });
    return;
  }
  if (!lane->client || lane->address != *address) {
    dispose(world_.thread, std::move(lane->client));
    lane->client = make_client(world_.thread, world_.settings, *address);
    lane->address = *address;
  }
  net::HttpClientRequest request;
  request.method = "POST";
  request.target = "/raft";
  request.fields = introduction(world_.self);
  request.fields.emplace_back("Content-Type", "application/protobuf");
  request.body = raft::encoded(message);
  lane->bytes = request.body.size();
  // etcd has no limit on the whole, but on each read and write.
  request.timeout =
      world_.settings.dial_timeout + world_.settings.write_timeout + world_.settings.read_timeout;
  lane->client->send(std::move(request),
                     [lane](const absl::Status& status, const net::HttpResponse& response) {
                       if (lane->pipeline) lane->pipeline->finish(lane, status, response);
                     });
}

void Pipeline::finish(const std::shared_ptr<Lane>& lane, const absl::Status& status,
                      const net::HttpResponse& response) {
  const absl::Status outcome =
      status.ok() ? check_post_response(world_, remote_, response, lane->address.url + "/raft") : status;
  lane->busy = false;
  if (outcome.ok()) {
    status_.activate();
    series_.sent_bytes.add(static_cast<double>(lane->bytes));
    if (lane->is_snapshot) world_.host.report_snapshot(remote_, raft::SnapshotStatus::finished);
  } else {
    picker_.unreachable(lane->address);
    status_.deactivate(kSource, "write", message(outcome));
    series_.sent_failures.increment();
    world_.host.report_unreachable(remote_);
    if (lane->is_snapshot) world_.host.report_snapshot(remote_, raft::SnapshotStatus::failed);
  }
  start(lane);
}

absl::Status check_post_response(const TransportWorld& world, MemberId remote,
                                 const net::HttpResponse& response, const std::string& url) {
  const auto failed = [](std::string_view text) {
    return make_status(absl::StatusCode::kUnavailable, text);
  };
  switch (response.status) {
    case 204: return absl::OkStatus();
    case 403:
      world.host.removed_by_peers();
      return failed("the member has been permanently removed from the cluster");
    case 412: {
      std::string_view body = response.body;
      if (body.ends_with('\n')) body.remove_suffix(1);
      if (body == kIncompatibleVersion) {
        world.log.error("request sent was ignored by peer", {{"remote-peer-id", remote}});
        return failed(body);
      }
      if (body == kClusterIdMismatch) {
        world.log.error("request sent was ignored due to cluster ID mismatch",
                        {{"remote-peer-id", remote},
                         {"remote-peer-cluster-id", response.field("X-Etcd-Cluster-ID").value_or("")},
                         {"local-member-cluster-id", world.self.cluster}});
        return failed(body);
      }
      return failed(fmt::format("unhandled error \"{}\" when precondition failed", response.body));
    }
    default:
      return failed(
          fmt::format("unexpected http status {} while posting to \"{}\"", response.status, url));
  }
}

}  // namespace holdfast::peer
