#include "server/dns_cluster.h"

#include "base/errors.h"
#include "gtest/gtest.h"
#include "test/server/fake_names.h"

namespace holdfast::server {
namespace {

struct DnsClusterTest : ::testing::Test {
  DnsClusterTest() {
    names.hosts = {{"one.example", {"10.0.0.1"}}, {"two.example", {"fd00::2", "10.0.0.2"}}, {"localhost", {"127.0.0.1"}}};
  }
  std::string find(const std::string& suffix = "", std::vector<std::string> advertised = {"http://10.0.0.1:2380"}) {
    auto found = initial_cluster_from_dns(names, log, "example", suffix, "me", advertised);
    return found.ok() ? *found : "error: " + std::string(message(found.status()));
  }
  FakeNames names;
  NullLogger log;
};

// OPS-04
TEST_F(DnsClusterTest, FindsItselfByAddressAndNumbersTheOthers) {
  names.records["_etcd-server._tcp.example"] = {{"two.example.", 2380}, {"one.example.", 2380}, {"10.0.0.3", 2390}};
  EXPECT_EQ(find(), "0=http://two.example:2380,me=http://one.example:2380,1=http://10.0.0.3:2390");
  EXPECT_EQ(find("", {"http://one.example:2380"}), find());
  EXPECT_EQ(find("", {"http://two.example:2380"}),
            "me=http://two.example:2380,0=http://one.example:2380,1=http://10.0.0.3:2390");
}

// OPS-04
TEST_F(DnsClusterTest, LocalhostIsAName) {
  names.records["_etcd-server._tcp.example"] = {{"localhost.", 2380}, {"one.example.", 2380}};
  EXPECT_EQ(find("", {"http://127.0.0.1:2380"}), "me=http://localhost:2380,0=http://one.example:2380");
  EXPECT_EQ(find("", {"http://localhost:2380"}), "me=http://localhost:2380,0=http://one.example:2380");
}

// OPS-04
TEST_F(DnsClusterTest, BothServicesCountAndTheSuffixIsAppended) {
  names.records["_etcd-server-ssl-west._tcp.example"] = {{"one.example.", 2380}};
  names.records["_etcd-server-west._tcp.example"] = {{"two.example.", 2380}};
  EXPECT_EQ(find("west", {"https://one.example:2380"}), "me=https://one.example:2380,0=http://two.example:2380");
  EXPECT_EQ(find("east"),
            "error: error querying DNS SRV records for _etcd-server-ssl-east lookup _etcd-server-ssl-east._tcp.example: "
            "no such host\n"
            "error querying DNS SRV records for _etcd-server-east lookup _etcd-server-east._tcp.example: no such host");
}

// OPS-04
TEST_F(DnsClusterTest, TheSchemeMustBeTheServices) {
  names.records["_etcd-server._tcp.example"] = {{"one.example.", 2380}};
  EXPECT_NE(find("", {"https://10.0.0.1:2380"})
                .find("error querying DNS SRV records for _etcd-server bootstrap at http://one.example:2380 from DNS for "
                      "etcd-server has scheme mismatch with expected peer https://10.0.0.1:2380"),
            std::string::npos);
}

TEST_F(DnsClusterTest, WhoIsNotThereCannotFound) {
  names.records["_etcd-server._tcp.example"] = {{"two.example.", 2380}, {"gone.example.", 2380}};
  EXPECT_EQ(find(), "error: cannot find local etcd member \"me\" in SRV records");
  names.records["_etcd-server._tcp.example"] = {{"gone.example.", 2380}};
  EXPECT_NE(find().find("_etcd-server lookup gone.example: no such host"), std::string::npos);
  EXPECT_NE(find("", {"http://nobody:2380"}).find("lookup nobody: no such host"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::server
