#include "apps/holdfast-bench/event_check.h"

#include "gtest/gtest.h"
#include "rpc.pb.h"

namespace holdfast::bench {
namespace {

struct Told {
  int64_t revision, version;  // version 0: deleted
};

std::string response(int64_t watch, std::initializer_list<Told> events) {
  etcdserverpb::WatchResponse response;
  response.set_watch_id(watch);
  for (const Told& told : events) {
    auto* event = response.add_events();
    event->set_type(told.version == 0 ? mvccpb::Event::DELETE : mvccpb::Event::PUT);
    event->mutable_kv()->set_key("k");
    event->mutable_kv()->set_mod_revision(told.revision);
    event->mutable_kv()->set_version(told.version);
  }
  return response.SerializeAsString();
}

TEST(EventCheck, WatchersAreCountedEachForItself) {
  EventCheck check;
  EXPECT_FALSE(check.note(response(0, {{5, 3}, {7, 4}})));  // from anywhere on
  EXPECT_FALSE(check.note(response(1, {{5, 3}})));
  EXPECT_FALSE(check.note(response(0, {{9, 5}})));
  EXPECT_EQ(check.spread().watchers, 2u);
  EXPECT_EQ(check.spread().least, 1u);
  EXPECT_EQ(check.spread().most, 3u);
  EXPECT_FALSE(check.note(response(1, {{8, 0}, {9, 1}})));
  EXPECT_EQ(check.ended(), 1u);
}

TEST(EventCheck, MissingDoubledAndMisplacedEventsAreFound) {
  EventCheck missing, doubled, misplaced;
  EXPECT_TRUE(missing.note(response(0, {{5, 3}, {7, 5}})));
  EXPECT_TRUE(doubled.note(response(0, {{5, 3}, {5, 3}})));
  EXPECT_FALSE(misplaced.note(response(0, {{5, 3}})));
  EXPECT_TRUE(misplaced.note(response(0, {{4, 4}})));
}

}  // namespace
}  // namespace holdfast::bench
