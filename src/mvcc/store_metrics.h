// MET-24, MET-26..28. Private to mvcc/.
#pragma once

#include "env/metrics.h"

namespace holdfast::mvcc {

struct StoreMetrics {
  explicit StoreMetrics(env::Metrics& metrics);

  env::Counter& ranges;
  env::Counter& puts;
  env::Counter& deletes;
  env::Counter& txns;
  env::Gauge& keys;
  env::Gauge& put_bytes;
  env::Gauge& current_revision;
  env::Gauge& compact_revision;
  env::Histogram& hash_revision_seconds;
  env::Histogram& index_compaction_pause_ms;
  env::Histogram& db_compaction_pause_ms;
  env::Histogram& db_compaction_total_ms;
  env::Gauge& db_compaction_last;
  env::Counter& db_compaction_keys;
};

}  // namespace holdfast::mvcc
