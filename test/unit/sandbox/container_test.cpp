// What a process in a container sees and leaves behind: the behaviour that BuildKit's RUN has.
#include "sandbox/container.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Every test runs under each runtime.
class ContainerTest : public SandboxTest, public ::testing::WithParamInterface<const char*> {
 protected:
  ContainerTest() { runtime = find_runtime(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Runtimes, ContainerTest, ::testing::Values("crun", "runc"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(ContainerTest, OutputAndStatusComeBack) {
  const auto outcome = shell("echo hello; echo oops >&2; exit 42");
  EXPECT_EQ(outcome.status, 42);
  EXPECT_EQ(outcome.out, "hello\n");
  EXPECT_EQ(outcome.err, "oops\n");
}

TEST_P(ContainerTest, NothingOfOursStaysInTheUpper) {
  EXPECT_EQ(shell("true").status, 0);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_P(ContainerTest, ChangesAreInTheUpper) {
  EXPECT_EQ(shell("echo x > /x; rm /etc/group").status, 0);
  EXPECT_THAT(changes(), ElementsAre("etc", "etc/group", "x"));
}

TEST_P(ContainerTest, EnvironmentIsTheSpecsAndHome) {
  ::setenv("LEAKED_FROM_HOST", "1", 1);
  spec.env = {"PATH=/bin", "Z=1"};
  EXPECT_EQ(shell("env | grep -v -e ^SHLVL= -e ^PWD= | sort").out, "HOME=/root\nPATH=/bin\nZ=1\n");
  ::unsetenv("LEAKED_FROM_HOST");
}

TEST_P(ContainerTest, NoHostEnvironmentInAnyProcess) {
  ::setenv("LEAKED_FROM_HOST", "secret", 1);
  EXPECT_EQ(shell("cat /proc/*/environ | tr '\\0' '\\n' | grep -c LEAKED").out, "0\n");
  ::unsetenv("LEAKED_FROM_HOST");
}

TEST_P(ContainerTest, HostIndependentSurroundings) {
  EXPECT_EQ(shell("umask; hostname; pwd; cat | wc -c").out, "0022\nbuildkitsandbox\n/\n0\n");
}

TEST_P(ContainerTest, ModesDoNotDependOnOurUmask) {
  const auto before = ::umask(077);
  spec.cwd = "/made/here";
  EXPECT_EQ(shell("mkdir /d; stat -c %a /d /made /made/here").out, "755\n755\n755\n");
  ::umask(before);
  EXPECT_THAT(changes(), ElementsAre("d", "made", "made/here"));
}

TEST_P(ContainerTest, UserGroupsAndHome) {
  spec.user = "app";
  spec.cwd = "/tmp";
  EXPECT_EQ(shell("id -u; id -g; id -G; echo $HOME; pwd").out, "1000\n1234\n1234 50\n/home/app\n/tmp\n");
}

TEST_P(ContainerTest, UserCanOpenItsOutputAnew) {
  spec.user = "app";
  EXPECT_EQ(shell("echo again > /dev/stdout; echo err > /dev/stderr").out, "again\n");
}

TEST_P(ContainerTest, MissingProgramIs127) {
  const auto outcome = run({"/no/such/program"});
  EXPECT_EQ(outcome.status, 127);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/program"));
}

TEST_P(ContainerTest, ProgramThatCannotRunIs126) {
  write("etc/plain", "text");
  const auto outcome = run({"/etc/plain"});
  EXPECT_EQ(outcome.status, 126) << outcome.err;
}

TEST_P(ContainerTest, DirectoryAsProgramIs126) {
  EXPECT_EQ(run({"/etc"}).status, 126);
  EXPECT_EQ(run({"./etc"}).status, 126);
  EXPECT_EQ(run({"etc"}).status, 127) << "a bare name is looked for in PATH";
}

TEST_P(ContainerTest, SignalsBecomeExitStatus) {
  EXPECT_EQ(shell("sh -c 'kill -9 $$'; exit $?").status, 137);
  EXPECT_EQ(shell("sh -c 'kill -15 $$'; exit $?").status, 143);
}

TEST_P(ContainerTest, BackgroundProcessesEndWithTheStep) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(shell("(sleep 30; touch /late) & echo x > /x").status, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_THAT(changes(), ElementsAre("x"));
}

TEST_P(ContainerTest, MuchOutputArrivesWhole) {
  const auto outcome = shell("dd if=/dev/zero bs=65536 count=200 2>/dev/null");
  EXPECT_EQ(outcome.out.size(), 65536U * 200);
}

TEST_P(ContainerTest, NetworkNoneHasOnlyLoopback) {
  spec.network = Network::none;
  EXPECT_EQ(shell("cat /proc/net/dev | grep -c :").out, "1\n");
}

TEST_P(ContainerTest, HostsAreListed) {
  spec.hosts = {{"example", "10.1.2.3"}};
  EXPECT_THAT(shell("cat /etc/hosts").out, HasSubstr("10.1.2.3\texample\n"));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_P(ContainerTest, StandardDevicesWork) {
  EXPECT_EQ(shell("echo x > /dev/null && head -c 3 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c; "
                  "ls -d /dev/pts /dev/shm /dev/ptmx /dev/fd /dev/stdin; stat -c %a /dev/shm")
                .out,
            "3\n3\n/dev/fd\n/dev/ptmx\n/dev/pts\n/dev/shm\n/dev/stdin\n1777\n");
}

TEST_P(ContainerTest, ShmSize) {
  spec.shm_size = 1U << 20;
  EXPECT_NE(shell("dd if=/dev/zero of=/dev/shm/f bs=65536 count=20").status, 0);
  spec.shm_size = 4U << 20;
  EXPECT_EQ(shell("dd if=/dev/zero of=/dev/shm/f bs=65536 count=20").status, 0);
}

TEST_P(ContainerTest, UlimitsAreClampedToTheHosts) {
  rlimit host{};
  ::getrlimit(RLIMIT_NOFILE, &host);
  spec.ulimits = {{"nofile", {100, host.rlim_max + 1000}}};
  EXPECT_EQ(shell("ulimit -Sn; ulimit -Hn").out, "100\n" + std::to_string(host.rlim_max) + "\n");
  spec.ulimits = {{"nosuch", {1, 1}}};
  EXPECT_THROW(shell("true"), Error);
}

TEST_P(ContainerTest, ReadOnlyRoot) {
  spec.read_only = true;
  EXPECT_NE(shell("touch /x").status, 0);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_P(ContainerTest, StopEndsAStepAtOnce) {
  std::stop_source source;
  const auto start = std::chrono::steady_clock::now();
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    source.request_stop();
  });
  try {
    run({"/bin/sleep", "60"}, source.get_token());
    ADD_FAILURE() << "was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
  stopper.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_P(ContainerTest, StopIsGentleWhereSignalsAreForwarded) {
  std::stop_source source;
  spec.forward_signals = true;
  spec.stop_signal = "USR1";
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    source.request_stop();
  });
  EXPECT_THROW(
      run({"/bin/sh", "-c", "trap 'echo bye > /bye; exit 3' USR1; while true; do sleep 0.1; done"}, source.get_token()),
      Error);
  stopper.join();
  EXPECT_THAT(changes(), ElementsAre("bye"));
}

TEST_P(ContainerTest, SignalsAreForwarded) {
  spec.forward_signals = true;
  const auto self = ::pthread_self();
  std::thread sender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    ::pthread_kill(self, SIGTERM);
  });
  EXPECT_EQ(shell("trap 'exit 5' TERM; while true; do sleep 0.1; done").status, 5);
  sender.join();
}

TEST_P(ContainerTest, TermGoesAsTheStopSignalAndATimeoutKills) {
  spec.forward_signals = true;
  spec.stop_signal = "USR2";
  spec.stop_timeout = std::chrono::seconds(1);
  const auto self = ::pthread_self();
  std::thread sender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    ::pthread_kill(self, SIGTERM);
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(shell("trap 'echo asked > /asked' USR2; trap '' TERM; while true; do sleep 0.1; done").status, 137);
  sender.join();
  EXPECT_THAT(changes(), ElementsAre("asked"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_P(ContainerTest, ManyAtOnce) {
  constexpr int kCount = 6;
  std::vector<std::thread> threads;
  std::array<std::string, kCount> outputs;
  for (int i = 0; i < kCount; ++i) {
    const fs::path place = directory_.path() / ("p" + std::to_string(i));
    fs::create_directories(place / "upper");
    fs::create_directories(place / "work");
    threads.emplace_back([&, place, i] {
      ContainerSpec own = spec;
      own.upper = place / "upper";
      own.work = place / "work";
      own.argv = {"/bin/sh", "-c", "echo " + std::to_string(i) + "; ls /proc | grep -c '^[0-9]'; (sleep 20)&"};
      (void)run_container(runtime, own, [&](LogStream, std::string_view text) { outputs.at(i).append(text); }, {});
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (int i = 0; i < kCount; ++i) {
    EXPECT_THAT(outputs.at(i), HasSubstr(std::to_string(i) + "\n"));
  }
}

}  // namespace
}  // namespace dlc::sandbox
