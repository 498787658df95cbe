#include "sandbox/cgroup.h"

#include <gmock/gmock.h>

#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::IsEmpty;

std::vector<std::string> groups() {
  std::vector<std::string> result;
  std::error_code ignored;
  const auto add = [&](const fs::path& path) {
    if (path.filename().string().starts_with("dlc-" + std::to_string(::getpid()) + "-")) {
      result.push_back(path);
    }
  };
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", ignored)) {
    add(hierarchy.path());  // v2
    for (const auto& entry : fs::directory_iterator(hierarchy.path(), ignored)) {
      add(entry.path());
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

TEST_P(CgroupTest, TheContainerSeesItsLimits) {
  spec.memory_limit = 256U << 20;
  spec.cpu_limit = 0.5;
  const auto result = shell(
      "cd /sys/fs/cgroup; cat cpu.max cpu/cpu.cfs_quota_us memory.max memory/memory.limit_in_bytes 2>/dev/null;"
      "for f in cgroup.procs cpu/cgroup.procs memory/cgroup.procs; do if [ -e $f ] && echo 0 > $f; then echo writable; "
      "fi; done "
      "2>/dev/null; true");
  EXPECT_THAT(result.out, ::testing::AnyOf("50000 100000\n268435456\n", "50000\n268435456\n"));
  EXPECT_THAT(groups(), IsEmpty());
}

TEST_P(CgroupTest, WhatTheUserMountsThereIsSeenInstead) {
  fs::create_directories(directory_.path() / "shown" / "fs" / "cgroup");
  std::ofstream(directory_.path() / "shown" / "fs" / "cgroup" / "mine") << "mine";
  spec.cpu_limit = 0.5;
  for (const char* target : {"/sys/fs/cgroup", "/sys/fs", "/sys"}) {
    const auto part = std::string(target) == "/sys" ? "" : std::string(target).substr(5);
    spec.mounts = {{.source = (directory_.path() / "shown" / part).string(), .target = target}};
    EXPECT_EQ(shell("ls /sys/fs/cgroup").out, "mine\n") << target;
  }
}

TEST_P(CgroupTest, WithoutLimitsNothingIsLeft) {
  EXPECT_EQ(shell("true").status, 0);
  EXPECT_THAT(groups(), IsEmpty());
}

/// A tree of plain files in the place of /sys/fs/cgroup: what is written where.
class FakeCgroups : public ::testing::Test {
 protected:
  void file(const std::string& path, const std::string& text = {}) const {
    fs::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << text;
  }
  [[nodiscard]] std::string read(const std::string& path) const { return read_file(root() / path); }
  [[nodiscard]] fs::path root() const { return directory_.path(); }

  TemporaryDirectory directory_{"/tmp", "cgroups-"};
};

TEST_F(FakeCgroups, LimitsOfTheUnifiedHierarchy) {
  Cgroup group(describe_cgroups(root(), true, false, "0::/somewhere/else\n"));
  const auto place = group.name() + "/";
  file("cgroup.subtree_control");
  for (const char* name : {"memory.max", "memory.swap.max", "cpu.max", "cgroup.procs"}) {
    file(place + name);
  }
  file(place + "memory.events", "low 0\noom 1\noom_kill 1\n");
  file(place + "memory.peak", "4096\n");
  EXPECT_TRUE(group.limit({.memory = 1U << 30, .cpus = 1.5}));
  EXPECT_EQ(read("cgroup.subtree_control"), "+memory +cpu");
  EXPECT_EQ(read(place + "memory.max"), "1073741824");
  EXPECT_EQ(read(place + "cpu.max"), "150000 100000");
  EXPECT_EQ(group.members().size(), 1U);
  EXPECT_TRUE(group.out_of_memory());
  EXPECT_EQ(group.peak_memory(), 4096U);
}

TEST_F(FakeCgroups, AControllerThatIsNotHandedDownIsNoLimit) {
  Cgroup group(describe_cgroups(root(), true, false, ""));
  file(group.name() + "/cgroup.procs");
  EXPECT_FALSE(group.limit({.memory = 1U << 30, .cpus = 0}));
}

TEST_F(FakeCgroups, AUsersGroupsAreMadeBesideItsOwn) {
  const auto host = describe_cgroups(root(), true, true,
                                     "12:pids:/x\n0::/user.slice/user-7.slice/user@7.service/app.slice/run-1.scope\n");
  EXPECT_EQ(host.parent, "/user.slice/user-7.slice/user@7.service/app.slice");
  Cgroup group(host);
  const auto place = host.parent.substr(1) + "/" + group.name() + "/";
  file(place + "memory.max");
  file(place + "cgroup.procs");
  EXPECT_TRUE(group.limit({.memory = 4096, .cpus = 0}));
  EXPECT_EQ(read(place + "memory.max"), "4096");
  EXPECT_EQ(describe_cgroups(root(), true, true, "0::/\n").parent, "");
  EXPECT_EQ(describe_cgroups(root(), true, false, "0::/a/b\n").parent, "");
}

TEST_F(FakeCgroups, LimitsOfTheOldHierarchies) {
  Cgroup group(describe_cgroups(root(), false, false, "3:memory:/\n0::/\n"));
  const auto memory = "memory/" + group.name() + "/";
  const auto cpu = "cpu/" + group.name() + "/";
  for (const auto& name : {memory + "memory.limit_in_bytes", memory + "cgroup.procs", cpu + "cpu.cfs_period_us",
                           cpu + "cpu.cfs_quota_us", cpu + "cgroup.procs"}) {
    file(name);
  }
  file(memory + "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
  EXPECT_TRUE(group.limit({.memory = 8192, .cpus = 0.25}));
  EXPECT_EQ(read(memory + "memory.limit_in_bytes"), "8192");
  EXPECT_EQ(read(cpu + "cpu.cfs_quota_us"), "25000");
  EXPECT_EQ(group.members().size(), 2U);
  EXPECT_FALSE(group.out_of_memory());
}

TEST_F(FakeCgroups, WithoutHierarchiesThereAreNoLimits) {
  Cgroup group(describe_cgroups(root(), false, false, ""));
  EXPECT_FALSE(group.limit({.memory = 8192, .cpus = 0}));
  EXPECT_TRUE(group.members().empty());
}

}  // namespace
}  // namespace dlc::sandbox
