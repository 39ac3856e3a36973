#include "mvcc/store_metrics.h"

namespace holdfast::mvcc {

StoreMetrics::StoreMetrics(env::Metrics& metrics)
    : ranges(
          metrics.counter("etcd_mvcc_range_total", "Total number of ranges seen by this member.")),
      puts(metrics.counter("etcd_mvcc_put_total", "Total number of puts seen by this member.")),
      deletes(metrics.counter("etcd_mvcc_delete_total",
                              "Total number of deletes seen by this member.")),
      txns(metrics.counter("etcd_mvcc_txn_total", "Total number of txns seen by this member.")),
      keys(metrics.gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.")),
      put_bytes(metrics.gauge("etcd_debugging_mvcc_total_put_size_in_bytes",
                              "The total size of put kv pairs seen by this member.")),
      current_revision(
          metrics.gauge("etcd_debugging_mvcc_current_revision", "The current revision of store.")),
      compact_revision(metrics.gauge("etcd_debugging_mvcc_compact_revision",
                                     "The revision of the last compaction in store.")),
      hash_revision_seconds(
          metrics.histogram("etcd_mvcc_hash_rev_duration_seconds",
                            "The latency distribution of storage hash by revision operation.",
                            env::exponential_buckets(0.01, 2, 15))),
      index_compaction_pause_ms(
          metrics.histogram("etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
                            "Bucketed histogram of index compaction pause duration.",
                            env::exponential_buckets(0.5, 2, 14))),
      db_compaction_pause_ms(
          metrics.histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                            "Bucketed histogram of db compaction pause duration.",
                            env::exponential_buckets(1, 2, 13))),
      db_compaction_total_ms(
          metrics.histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                            "Bucketed histogram of db compaction total duration.",
                            env::exponential_buckets(100, 2, 14))),
      db_compaction_last(
          metrics.gauge("etcd_debugging_mvcc_db_compaction_last",
                        "The unix time of the last db compaction. Resets to 0 on start.")),
      db_compaction_keys(metrics.counter("etcd_debugging_mvcc_db_compaction_keys_total",
                                         "Total number of db keys compacted.")) {}

}  // namespace holdfast::mvcc
