// What is said about commands that take long or fail (PUT-23).
#include "test/apply/apply_world.h"

namespace holdfast::apply {
namespace {

class Lines : public Logger {
 public:
  void write(LogLevel, std::string_view message, const std::vector<LogField>& fields, const char*, int) override {
    lines += std::string(message) + "\n";
    for (const LogField& field : fields) lines += "  " + field.name + " " + field.json + "\n";
  }
  bool enabled(LogLevel level) const override { return level >= LogLevel::warn; }
  std::string lines;
};

// Looking up who may put takes its time.
class SlowToAllow : public OpenToAll {
 public:
  explicit SlowToAllow(ManualClock& clock) : clock_(clock) {}
  absl::Status may_put(const Caller&, std::string_view) const override {
    clock_.advance(took);
    return absl::OkStatus();
  }
  env::Duration took{};

 private:
  ManualClock& clock_;
};

class SlowApply : public ApplyTest {
 protected:
  void SetUp() override {
    ApplyTest::SetUp();
    close();
    backend = std::make_unique<backend::Backend>(backend::make_memory_engine(image), backend::BackendOptions{},
                                                 backend_environment());
    options.warning_apply_duration = std::chrono::milliseconds(50);
    auto opened = StateMachine::open(*backend, membership::Cluster::provisional(ClusterId(0x22), {}), options,
                                     {owner, background, process, metrics, lines, slow});
    ASSERT_TRUE(opened.ok()) << opened.status();
    machine = *std::move(opened);
  }
  Lines lines;
  SlowToAllow slow{clock};
};

TEST_F(SlowApply, IsLoggedWithoutTheValue) {
  slow.took = std::chrono::milliseconds(50);
  say("put { key: 'a' value: 'secret' }");
  EXPECT_EQ(lines.lines, "");
  slow.took = std::chrono::milliseconds(51);
  expect("put { key: 'a' value: 'secret' }", "header { revision: 3 }");
  EXPECT_EQ(lines.lines,
            "apply request took too long\n  took \"51.000ms\"\n"
            "  request \"header:<ID:2> put:<key:\\\"a\\\" value_size:6>\"\n  response \"\"\n"
            "  expected-duration \"50.000ms\"\n  prefix \"\"\n");
}

TEST_F(SlowApply, FailuresAreLoggedButForWhatIsCompacted) {
  say("compaction { revision: 1 }");
  say("compaction { revision: 1 }");
  EXPECT_EQ(lines.lines, "");
  expect("put { key: 'a' lease: 9 }", "etcdserver: requested lease not found");
  EXPECT_EQ(lines.lines,
            "failed to apply request\n  took \"0.000ms\"\n"
            "  request \"header:<ID:3> put:<key:\\\"a\\\" value_size:0 lease:9>\"\n  response \"\"\n"
            "  error \"etcdserver: requested lease not found\"\n");
}

}  // namespace
}  // namespace holdfast::apply
