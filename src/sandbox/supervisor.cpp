#include "sandbox/supervisor.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

#include "base/error.h"

namespace dlc::sandbox {

namespace {

enum class Stage : int { mount, proc, descriptors, cgroup, start, done };

/// What the supervisor says at its end.
struct Report {
  Stage stage = Stage::done;
  int value = 0;  ///< errno, or the runtime's wait status for `done`
};

/// The plan as the child can use it: between fork and exec of a process with threads nothing may be allocated.
struct ChildPlan {
  struct Attachment {
    int mount;
    const char* target;
  };
  const Attachment* mounts;
  std::size_t mount_count;
  char* const* argv;
  char* const* environment;
  std::array<int, 3> stdio;
  int control, report, parent;
  const int* cgroups;
  std::size_t cgroup_count;
  bool own_session;
};

constexpr int kControl = 3;
constexpr int kReport = 4;
constexpr int kParent = 5;  // cgroup.procs files come after it
constexpr std::size_t kMostCgroups = 4;

[[noreturn]] void leave(int report, Stage stage, int value) {
  const Report message{stage, value};
  [[maybe_unused]] const auto ignored = ::write(report, &message, sizeof message);
  ::_exit(stage == Stage::done ? 0 : 1);
}

bool is_readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) > 0;
}

/// Moves what is needed to fixed numbers and closes all else: the child of a process with threads has copies of every
/// descriptor they have open, among them the ends of other containers' pipes.
bool arrange_descriptors(const ChildPlan& plan) {
  constexpr int kAbove = 64;
  std::array<int, 6 + kMostCgroups> wanted{plan.stdio[0], plan.stdio[1], plan.stdio[2],
                                           plan.control,  plan.report,   plan.parent};
  std::array<int, 6 + kMostCgroups> copies{};
  const std::size_t count = 6 + plan.cgroup_count;
  for (std::size_t i = 0; i < plan.cgroup_count; ++i) {
    wanted.at(6 + i) = plan.cgroups[i];
  }
  for (std::size_t i = 0; i < count; ++i) {
    copies.at(i) = ::fcntl(wanted.at(i), F_DUPFD, kAbove);
    if (copies.at(i) < 0) {
      return false;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (::dup3(copies.at(i), static_cast<int>(i), i >= kControl ? O_CLOEXEC : 0) < 0) {
      return false;
    }
  }
  return ::close_range(static_cast<unsigned>(count), ~0U, 0) == 0;
}

[[noreturn]] void run_runtime(const ChildPlan& plan) {
  // Only the runtime joins: the out-of-memory killer would choose the supervisor, which maps all of our memory.
  for (std::size_t i = 0; i < plan.cgroup_count; ++i) {
    if (::write(kParent + 1 + static_cast<int>(i), "0", 1) != 1) {
      leave(kReport, Stage::cgroup, errno);
    }
  }
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    ::sigaction(number, &standard, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execve(plan.argv[0], plan.argv, plan.environment);
  leave(kReport, Stage::start, errno);
}

/// Until the runtime has ended: passes signals on, ends with our parent.
int supervise(pid_t runtime) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, runtime, 0));
  bool control_open = true;
  while (true) {
    std::array<pollfd, 3> fds{{{pidfd, POLLIN, 0}, {kParent, POLLIN, 0}, {control_open ? kControl : -1, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      continue;
    }
    if (fds[1].revents != 0) {
      ::_exit(1);
    }
    if (fds[2].revents != 0) {
      unsigned char number = 0;
      if (::read(kControl, &number, 1) == 1) {
        ::kill(runtime, number);
      } else {
        control_open = false;
      }
    }
    if (fds[0].revents != 0) {
      int status = 0;
      while (::waitpid(runtime, &status, 0) < 0 && errno == EINTR) {
      }
      return status;
    }
  }
}

[[noreturn]] void run_supervisor(const ChildPlan& plan) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (is_readable(plan.parent)) {  // it died before the line above; getppid() is 0 in a new PID namespace
    ::_exit(1);
  }
  if (plan.own_session) {
    ::setsid();
  }
  for (std::size_t i = 0; i < plan.mount_count; ++i) {
    const auto& attachment = plan.mounts[i];
    if (::move_mount(attachment.mount, "", AT_FDCWD, attachment.target, MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      leave(plan.report, Stage::mount, errno);
    }
  }
  // The runtime looks its children up in /proc by the numbers of this PID namespace.
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr) != 0) {
    leave(plan.report, Stage::proc, errno);
  }
  if (!arrange_descriptors(plan)) {
    leave(plan.report, Stage::descriptors, errno);
  }
  // Not fork(): it takes malloc's locks, which a thread of the process we are a copy of may have held.
  // NOLINTBEGIN(bugprone-unsafe-functions,clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork): nor
  // posix_spawn, which allocates. `run_runtime` makes system calls only and never returns.
  const pid_t runtime = ::vfork();
  if (runtime == 0) {
    run_runtime(plan);
  }
  // NOLINTEND(bugprone-unsafe-functions,clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork)
  if (runtime < 0) {
    leave(kReport, Stage::start, errno);
  }
  const int status = supervise(runtime);
  leave(kReport, Stage::done, status);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const auto& text : strings) {
    result.push_back(const_cast<char*>(text.c_str()));  // NOLINT: execve's signature
  }
  result.push_back(nullptr);
  return result;
}

std::pair<UniqueFd, UniqueFd> make_pipe(int flags) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC | flags) != 0) {
    throw system_error("create a pipe");
  }
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Blocks every signal of this thread: the child shares the descriptors that our handlers write to.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

const char* what_failed(Stage stage) {
  switch (stage) {
    case Stage::mount:
      return "mount the container's file systems";
    case Stage::proc:
      return "mount /proc for the runtime";
    case Stage::cgroup:
      return "put the container into its control group";
    case Stage::descriptors:
      return "set up the container's descriptors";
    default:
      return "start the container runtime";
  }
}

}  // namespace

Supervisor::Supervisor(const SupervisorPlan& plan) {
  const auto argv = pointers(plan.argv);
  const auto environment = pointers(plan.environment);
  std::vector<ChildPlan::Attachment> mounts;
  for (const auto& staged : plan.mounts) {
    mounts.push_back({staged.mount.get(), staged.target.c_str()});
  }
  auto [control_read, control_write] = make_pipe(O_NONBLOCK);
  auto [report_read, report_write] = make_pipe(0);
  const UniqueFd parent(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!parent) {
    throw system_error("pidfd_open");
  }
  const ChildPlan child{.mounts = mounts.data(),
                        .mount_count = mounts.size(),
                        .argv = argv.data(),
                        .environment = environment.data(),
                        .stdio = plan.stdio,
                        .control = control_read.get(),
                        .report = report_write.get(),
                        .parent = parent.get(),
                        .cgroups = plan.cgroups.data(),
                        .cgroup_count = std::min(plan.cgroups.size(), kMostCgroups),
                        .own_session = plan.own_session};
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  {
    const BlockedSignals blocked;
    pid_ = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid_ == 0) {
      run_supervisor(child);
    }
  }
  if (pid_ < 0) {
    throw system_error("start the supervisor of a container");
  }
  pidfd_ = UniqueFd(pidfd);
  control_ = std::move(control_write);
  report_ = std::move(report_read);
}

Supervisor::~Supervisor() {
  if (pid_ > 0) {
    kill();
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void Supervisor::signal(int number) noexcept {
  const auto byte = static_cast<unsigned char>(number);
  [[maybe_unused]] const auto ignored = ::write(control_.get(), &byte, 1);
}

void Supervisor::kill() noexcept {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

SupervisorExit Supervisor::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  Report report;
  if (::read(report_.get(), &report, sizeof report) != sizeof report) {
    return {.status = 128 + SIGKILL, .killed = true};
  }
  if (report.stage != Stage::done) {
    throw system_error(what_failed(report.stage), report.value);
  }
  const int ended = report.value;
  return {.status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended)};
}

}  // namespace dlc::sandbox
