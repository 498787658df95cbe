// Images and steps that try to get out, by the CVEs of runtimes and builders (names in the comments), and what is left
// when dlc is killed.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "sandbox/seccomp.h"
#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class HostileTest : public SandboxTest, public ::testing::WithParamInterface<const char*> {
 protected:
  HostileTest() { runtime = find_runtime(GetParam()); }

  static std::string sum(const std::string& path) { return run_command({"sha256sum", path}).output; }
};

INSTANTIATE_TEST_SUITE_P(Runtimes, HostileTest, ::testing::Values("crun", "runc"),
                         [](const auto& tested) { return std::string(tested.param); });

// CVE-2019-5736
TEST_P(HostileTest, RuntimeAndWeCannotBeOverwritten) {
  const auto before = sum(runtime.path) + sum("/proc/self/exe");
  shell("for p in /proc/[0-9]*/exe /proc/self/exe; do dd if=/etc/passwd of=$p conv=notrunc; done");
  spec.env.emplace_back("LD_PRELOAD=/etc/passwd");
  try {
    run({"/proc/self/exe", "--version"});
  } catch (const Error&) {
  }
  EXPECT_EQ(sum(runtime.path) + sum("/proc/self/exe"), before);
}

// CVE-2024-21626, CVE-2016-9962
TEST_P(HostileTest, NoDescriptorOfTheHost) {
  EXPECT_EQ(shell("ls /proc/self/fd").out, "0\n1\n2\n3\n");  // 3: ls reading the directory
  const fs::path marker = directory_.path() / "marker";
  std::ofstream(marker) << "host\n";
  for (int fd = 3; fd < 24; ++fd) {
    spec.cwd = "/proc/self/fd/" + std::to_string(fd);
    try {
      const auto outcome = shell("cat ../../../../../../../.." + marker.string() + "; cat ." + marker.string());
      EXPECT_THAT(outcome.out, Not(HasSubstr("host"))) << spec.cwd;
    } catch (const Error&) {
      // The usual answer: no such directory.
    }
  }
}

// CVE-2026-47766, CVE-2026-41579, CVE-2019-19921, CVE-2023-27561
TEST_P(HostileTest, SystemDirectoriesThatAreLinks) {
  const fs::path victim = directory_.path() / "victim";
  fs::create_directories(victim);
  for (const char* name : {"dev", "proc", "sys"}) {
    for (const auto& target : {victim.string(), std::string("etc"), std::string("../../../../..") + victim.string()}) {
      fs::remove_all(lower() / name);
      fs::create_symlink(target, lower() / name);
      EXPECT_THROW(shell("true"), Error) << name << " -> " << target;
      EXPECT_TRUE(fs::is_empty(victim));
    }
    fs::remove(lower() / name);
    std::ofstream(lower() / name) << "a file";
    EXPECT_THROW(shell("true"), Error) << name;
    fs::remove(lower() / name);
  }
  EXPECT_THAT(changes(), IsEmpty());
}

// CVE-2025-31133, CVE-2025-52565, CVE-2025-52881
TEST_P(HostileTest, DevicesOfTheImageAreNotUsed) {
  fs::create_directories(lower() / "dev");
  fs::create_symlink("/proc/sys/kernel/core_pattern", lower() / "dev/null");
  fs::create_symlink("/proc/sysrq-trigger", lower() / "dev/console");
  fs::create_symlink("/proc", lower() / "dev/pts");
  EXPECT_EQ(shell("echo x > /dev/null; stat -c %F /dev/null; stat -c %F /dev/pts").out,
            "character special file\ndirectory\n");
  EXPECT_THAT(read_file("/proc/sys/kernel/core_pattern"), Not(HasSubstr("x\n")));
}

// CVE-2022-27650, CVE-2022-24769, CVE-2022-29162
TEST_P(HostileTest, CapabilitiesAreDockers) {
  const std::string ask = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | tr -d '\\t'";
  EXPECT_EQ(shell(ask).out,
            "CapInh:0000000000000000\nCapPrm:00000000a80405fb\nCapEff:00000000a80405fb\n"
            "CapBnd:00000000a80405fb\nCapAmb:0000000000000000\n");
  spec.user = "app";
  EXPECT_EQ(shell(ask).out,
            "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
            "CapBnd:00000000a80405fb\nCapAmb:0000000000000000\n");
  spec.user = "";
  spec.network = Network::none;
  EXPECT_THAT(shell(ask).out, HasSubstr("CapEff:00000000a80425fb\n"));
}

TEST_P(HostileTest, SystemCallsAreFiltered) {
  const auto outcome = shell(
      "grep Seccomp: /proc/self/status | tr -d '\\t'; unshare -U true 2>/dev/null || echo userns;"
      "mount -t tmpfs x /tmp 2>/dev/null || echo mount; (ulimit -c 0; true) && echo fine");
  EXPECT_EQ(outcome.out, "Seccomp:2\nuserns\nmount\nfine\n");
}

TEST_P(HostileTest, InsecureIsNotFiltered) {
  spec.insecure = true;
  EXPECT_EQ(
      shell("grep Seccomp: /proc/self/status | tr -d '\\t'; mount -t tmpfs x /tmp && umount /tmp && echo mounted").out,
      "Seccomp:0\nmounted\n");
}

TEST_P(HostileTest, KernelInterfacesAreMaskedOrReadOnly) {
  const auto outcome = shell(
      "echo h > /proc/sysrq-trigger; echo x > /proc/sys/kernel/core_pattern; touch /sys/x; echo 1 > "
      "/sys/kernel/mm/ksm/run;"
      "cat /proc/kcore | head -c 1 | wc -c; ls /proc/scsi /sys/firmware 2>/dev/null | grep -v -e : -e '^$' | wc -l");
  EXPECT_EQ(outcome.out, "0\n0\n");
}

// A step has CAP_MKNOD, as with Docker; the nodes it makes open nothing.
TEST_P(HostileTest, DeviceNodesOfAStepAreDead) {
  struct stat disk{};
  ASSERT_EQ(::stat("/", &disk), 0);
  const auto numbers = std::to_string(disk.st_dev >> 8U) + " " + std::to_string(disk.st_dev & 0xffU);
  const auto outcome =
      shell("for d in / /dev/ /dev/shm/ /tmp/; do mknod ${d}disk b " + numbers +
            " && { head -c 1 ${d}disk && echo READ; }; mknod ${d}mem c 1 1 && { head -c 1 ${d}mem && echo "
            "READ; }; done; test -b /disk && echo made");
  EXPECT_EQ(outcome.out, "made\n");
}

TEST_P(HostileTest, UnknownUserAndHostilePasswdStopTheStep) {
  spec.user = "4294967296";
  EXPECT_THROW(shell("id"), Error);
  spec.user = "nosuch";
  EXPECT_THROW(shell("id"), Error);
  EXPECT_THAT(changes(), IsEmpty());
}

// CVE-2020-15257 and Nix's CVE-2024-27297: a descriptor that was passed out must not keep a process of the step alive,
// nor our wait for its output.
TEST_P(HostileTest, ProcessesInNewSessionsDieToo) {
  EXPECT_EQ(shell("for i in 1 2 3; do (trap '' TERM HUP INT; sleep 76543) & done; true").status, 0);
  EXPECT_NE(run_command({"grep", "-l", "-a", "sleep.76543", "-r", "/proc", "--include=cmdline", "-s"}).status, 0);
}

/// A file of a process; empty where the process ends meanwhile.
std::string read_of_process(const fs::path& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";
  }
}

std::string processes_with(const std::string& word) {
  std::string found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto text = read_of_process(entry.path() / "cmdline");
    if (text.find(word) != std::string::npos) {
      found += entry.path().filename().string() + " ";
    }
  }
  return found;
}

std::string mounts_with(const std::string& word) {
  std::string found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto text = read_of_process(entry.path() / "mountinfo");
    if (text.find(word) != std::string::npos) {
      found += entry.path().filename().string() + " ";
    }
  }
  return found;
}

std::string groups_of(pid_t pid) {
  std::string found;
  std::error_code ignored;
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", ignored)) {
    for (const auto& entry : fs::directory_iterator(hierarchy.path(), ignored)) {
      if (entry.path().filename().string().starts_with("dlc-" + std::to_string(pid) + "-")) {
        found += entry.path().string() + " ";
      }
    }
  }
  return found;
}

TEST_P(HostileTest, NothingSurvivesAKill) {
  spec.memory_limit = 64U << 20;
  const std::string word = "8765" + std::to_string(::getpid());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      const auto result = shell("(sleep " + word + ") & sleep " + word);
      std::cerr << "the container ended with status " << result.status << ": " << result.err << '\n';
    } catch (const std::exception& error) {
      std::cerr << error.what() << '\n';
    }
    ::_exit(0);
  }
  while (processes_with("sleep " + word).empty() && processes_with(std::string("sleep\0", 6) + word).empty()) {
    ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "the container ended by itself";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_THAT(mounts_with(upper().string()), Not(IsEmpty()));
  EXPECT_NE(groups_of(child), "");
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while ((!processes_with(word).empty() || !groups_of(child).empty()) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_THAT(processes_with(word), IsEmpty());
  EXPECT_EQ(groups_of(child), "");
  EXPECT_THAT(mounts_with(upper().string()), IsEmpty());
}

TEST(SeccompTest, ProfileIsWhatTheRuntimesRead) {
  const auto& profile = seccomp_profile();
  EXPECT_THAT(profile, HasSubstr("SCMP_ACT_ERRNO"));
  for (const std::string_view forbidden :
       {"mount", "keyctl", "add_key", "bpf", "kexec_load", "init_module", "swapon", "reboot", "unshare", "setns",
        "pivot_root", "open_by_handle_at", "userfaultfd", "perf_event_open", "io_uring_setup", "quotactl", "acct",
        "iopl"}) {
    EXPECT_EQ(std::ranges::count(allowed_system_calls(), forbidden), 0) << forbidden;
  }
  auto names = std::vector<std::string_view>(allowed_system_calls().begin(), allowed_system_calls().end());
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end()) << *std::ranges::adjacent_find(names);
}

}  // namespace
}  // namespace dlc::sandbox
