#include "sandbox/cgroup.h"

#include <gmock/gmock.h>

#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::IsEmpty;

std::vector<std::string> groups() {
  std::vector<std::string> result;
  std::error_code ignored;
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", ignored)) {
    for (const auto& entry : fs::directory_iterator(hierarchy.path(), ignored)) {
      if (entry.path().filename().string().starts_with("dlc-" + std::to_string(::getpid()) + "-")) {
        result.push_back(entry.path());
      }
    }
  }
  return result;
}

class CgroupTest : public SandboxTest, public ::testing::WithParamInterface<const char*> {
 protected:
  CgroupTest() { runtime = find_runtime(GetParam()); }
  void SetUp() override {
    SandboxTest::SetUp();
    Cgroup probe;
    if (!probe.limit({.memory = 64U << 20, .cpus = 1})) {
      GTEST_SKIP() << "this host lets us set no limits";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Runtimes, CgroupTest, ::testing::Values("crun", "runc"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(CgroupTest, MemoryLimitKills) {
  spec.memory_limit = 32U << 20;
  spec.argv = {"/bin/sh", "-c", "x=$(dd if=/dev/zero bs=1048576 count=100 | tr '\\0' x); echo ${#x}"};
  const auto result = run_container(runtime, spec, [](LogStream, std::string_view) {}, {});
  EXPECT_TRUE(result.limited);
  EXPECT_NE(result.status, 0);
  EXPECT_GT(result.peak_memory, 8U << 20);
  if (std::string(GetParam()) == "crun") {
    EXPECT_TRUE(result.out_of_memory);
  }
  EXPECT_THAT(groups(), IsEmpty());
}

TEST_P(CgroupTest, ContainerWithinItsLimit) {
  spec.memory_limit = 256U << 20;
  spec.cpu_limit = 0.5;
  spec.argv = {"/bin/true"};
  const auto result = run_container(runtime, spec, [](LogStream, std::string_view) {}, {});
  EXPECT_EQ(result.status, 0);
  EXPECT_FALSE(result.out_of_memory);
  EXPECT_THAT(groups(), IsEmpty());
}

TEST_P(CgroupTest, WithoutLimitsNothingIsLeft) {
  EXPECT_EQ(shell("true").status, 0);
  EXPECT_THAT(groups(), IsEmpty());
}

}  // namespace
}  // namespace dlc::sandbox
