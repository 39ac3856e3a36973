// The plain data of raft: what is written to the log, sent in messages and stored in snapshots.
// Field for field the meaning of raftpb in etcd-io/raft v3.7.0 (raftpb/raft.proto); the wire codec
// is in codec.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/shared_bytes.h"
#include "base/types.h"

namespace holdfast::raft {

enum class EntryType : uint8_t { normal = 0, conf_change = 1, conf_change_v2 = 2 };

struct Entry {
  Term term;
  Index index;
  EntryType type = EntryType::normal;
  // A type `normal` that stands in the encoding although it is the default: etcd's in place of a
  // refused conf change, all of etcd 3.4 to 3.6. Its two bytes count where pages are cut.
  bool type_stands = false;
  SharedBytes data;  // nil in a new leader's first entry

  bool operator==(const Entry&) const = default;
};

struct HardState {
  Term term;
  MemberId vote;
  Index commit;

  bool operator==(const HardState&) const = default;
  bool empty() const { return *this == HardState{}; }
};

struct ConfState {
  std::vector<MemberId> voters;
  std::vector<MemberId> learners;
  std::vector<MemberId> voters_outgoing;
  std::vector<MemberId> learners_next;
  bool auto_leave = false;

  bool operator==(const ConfState&) const = default;
};

struct SnapshotMetadata {
  ConfState conf_state;
  Index index;
  Term term;

  bool operator==(const SnapshotMetadata&) const = default;
};

struct Snapshot {
  SharedBytes data;
  SnapshotMetadata metadata;

  bool empty() const { return metadata.index == Index(0); }
  bool operator==(const Snapshot&) const = default;
};

enum class ConfChangeType : uint8_t {
  add_node = 0,
  remove_node = 1,
  update_node = 2,
  add_learner_node = 3
};

// The single-step form, the only one that etcd proposes (RAL-13).
struct ConfChange {
  ConfChangeType type = ConfChangeType::add_node;
  MemberId node_id;
  SharedBytes context;
  uint64_t id = 0;

  bool operator==(const ConfChange&) const = default;
};

struct ConfChangeSingle {
  ConfChangeType type = ConfChangeType::add_node;
  MemberId node_id;

  bool operator==(const ConfChangeSingle&) const = default;
};

enum class ConfChangeTransition : uint8_t { automatic = 0, joint_implicit = 1, joint_explicit = 2 };

struct ConfChangeV2 {
  ConfChangeTransition transition = ConfChangeTransition::automatic;
  std::vector<ConfChangeSingle> changes;
  SharedBytes context;

  bool operator==(const ConfChangeV2&) const = default;
};

}  // namespace holdfast::raft
