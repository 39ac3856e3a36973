#include "server/storage_version.h"

#include <optional>

#include "gtest/gtest.h"
#include "test/apply/apply_world.h"

namespace holdfast::server {
namespace {

class StorageVersionTest : public apply::ApplyTest {
 protected:
  void observe() {
    view.emplace(MemberId(0x11), ClusterId(0x22), board);
    version.emplace(*machine, *view, [this] { ++lowered; });
    machine->set_observer(&*version);
  }
  void set_version(const std::string& text) { expect("cluster_version_set { ver: '" + text + "' }", "ok"); }
  std::string stored() {
    return backend->view().get(backend::Bucket::meta, backend::kStorageVersionKey).value_or("(none)");
  }

  RaftBoard board;
  std::optional<MemberView> view;
  std::optional<StorageVersion> version;
  int lowered = 0;
};

// BKT-03, VER-04, VER-05, VD-01: the schema before 3.6 has no such key.
TEST_F(StorageVersionTest, FollowsTheClustersVersion) {
  observe();
  EXPECT_EQ(stored(), "(none)");
  set_version("3.5.0");
  EXPECT_EQ(stored(), "(none)");
  EXPECT_EQ(view->storage_version(), "");
  set_version("3.6.0");
  EXPECT_EQ(stored(), "3.6.0");
  set_version("3.7.0");
  EXPECT_EQ(stored(), "3.7.0");
  EXPECT_EQ(view->storage_version(), "3.7.0");
  EXPECT_EQ(lowered, 0);
}

// VER-05, VER-08
TEST_F(StorageVersionTest, FollowsADowngrade) {
  observe();
  set_version("3.7.0");
  expect("downgrade_info_set { enabled: true ver: '3.6.0' }", "ok");
  set_version("3.6.0");
  EXPECT_EQ(stored(), "3.6.0");
  EXPECT_EQ(lowered, 1) << "a snapshot is to be taken";
  expect("downgrade_info_set { enabled: true ver: '3.5.0' }", "ok");
  set_version("3.5.0");
  EXPECT_EQ(stored(), "(none)");
  EXPECT_EQ(lowered, 2);
}

// VER-04: what stands there is known after a restart, before the cluster says anything.
TEST_F(StorageVersionTest, IsKnownAfterARestart) {
  observe();
  set_version("3.7.0");
  commit();
  close();
  open();
  observe();
  EXPECT_EQ(view->storage_version(), "3.7.0");
}

}  // namespace
}  // namespace holdfast::server
