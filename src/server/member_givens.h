// What every component of a member is given, and what all of them tell each other. Member makes both before the rest.
#pragma once

#include "env/executor.h"
#include "server/backend_operations.h"
#include "server/backend_snapshots.h"
#include "server/bootstrap.h"
#include "server/member.h"
#include "server/member_config.h"
#include "server/member_view.h"
#include "server/raft_board.h"
#include "server/raft_log.h"
#include "server/request_id.h"
#include "server/request_metrics.h"
#include "server/wait_table.h"
#include "wal/wal.h"

namespace holdfast::server {

struct MemberGivens {
  wal::World wal_world() const { return {world.files, world.clock, world.log, world.metrics, world.faults}; }

  const MemberConfig config;
  const Member::World world;
  const Member::Executors executors;
  Member::Links links;
  Log log;
};

// Facts of the moment, and who waits for which. Thread-safe, each by its own header.
struct MemberFacts {
  explicit MemberFacts(const MemberGivens& given)
      : request_metrics(given.world.metrics),
        waits(given.world.clock, request_metrics),
        ids(given.log.member, given.world.clock.unix_nanoseconds()),
        raft_log(given.world.log),
        view(given.log.member, given.log.cluster, board),
        backend_snapshots(given.executors.background, given.world.metrics),
        operations(given.executors.apply, given.executors.background, view, backend_snapshots) {}

  RaftBoard board;
  RequestMetrics request_metrics;
  WaitTable waits;
  RequestIdGenerator ids;
  RaftLog raft_log;
  MemberView view;
  BackendSnapshots backend_snapshots;
  BackendOperations operations;
};

}  // namespace holdfast::server
