#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/fd.h"

namespace dlc {

namespace {

constexpr std::size_t kCaptureLimit = 64U << 20;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    throw system_error("create a pipe");
  }
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Everything the child needs after fork, prepared before it: no allocation happens in the child.
struct ChildPlan {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;  // or nullptr
  int in, out, err, status;
  pid_t parent;
  bool own_session;
};

[[noreturn]] void run_child(const ChildPlan& plan) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) {
    ::_exit(127);
  }
  if (plan.own_session) {
    ::setsid();
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(plan.in, 0);
  ::dup2(plan.out, 1);
  ::dup2(plan.err, 2);
  if (plan.directory == nullptr || ::chdir(plan.directory) == 0) {
    ::execve(plan.program, plan.argv, plan.environment);
  }
  const int error_number = errno;
  [[maybe_unused]] const auto ignored = ::write(plan.status, &error_number, sizeof error_number);
  ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const auto& text : strings) {
    result.push_back(const_cast<char*>(text.c_str()));  // NOLINT: execve's signature
  }
  result.push_back(nullptr);
  return result;
}

/// One readable pipe of the child's; false once it is at its end.
bool drain(UniqueFd& fd, std::string& into, const CommandOptions& options) {
  std::array<char, 1 << 16> buffer{};
  const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
    return true;
  }
  if (count <= 0) {
    fd.reset();
    return false;
  }
  const std::string_view chunk(buffer.data(), static_cast<std::size_t>(count));
  if (into.size() < kCaptureLimit) {
    into.append(chunk);
  }
  if (options.on_output) {
    options.on_output(chunk);
  }
  return true;
}

void feed(UniqueFd& fd, std::string_view& input) {
  const ssize_t count = input.empty() ? 0 : ::write(fd.get(), input.data(), input.size());
  if (count > 0) {
    input.remove_prefix(static_cast<std::size_t>(count));
  }
  if (input.empty() || (count < 0 && errno != EINTR && errno != EAGAIN)) {
    fd.reset();
  }
}

/// A stop request as something to poll for, and what it does to the child.
class Killer {
 public:
  Killer(pid_t child, const std::stop_token& stop)
      : child_(child), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(stop, Wake{wake_.get()}) {}

  [[nodiscard]] int fd() const { return killed_ ? -1 : wake_.get(); }
  [[nodiscard]] bool killed() const { return killed_; }
  void kill() {
    ::kill(-child_, SIGKILL);  // and what it has started: its session is its own
    ::kill(child_, SIGKILL);   // where it has not come that far
    killed_ = true;
    deadline_ = Clock::now() + kPatience;
  }
  /// For poll: -1 without end.
  [[nodiscard]] int timeout() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return !killed_ ? -1 : static_cast<int>(std::max<std::int64_t>(left, 0));
  }
  /// Somebody whom the child left behind holds its output open for too long.
  [[nodiscard]] bool given_up() const { return killed_ && Clock::now() >= deadline_; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPatience{5};
  struct Wake {
    int fd;
    void operator()() const {
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto ignored = ::write(fd, &one, sizeof one);
    }
  };

  pid_t child_;
  UniqueFd wake_;
  std::stop_callback<Wake> callback_;
  bool killed_ = false;
  Clock::time_point deadline_;
};

void exchange(UniqueFd& in, UniqueFd& out, UniqueFd& err, CommandResult& result, const CommandOptions& options,
              Killer& killer) {
  std::string_view input = options.input;
  ::fcntl(in.get(), F_SETFL, O_NONBLOCK);
  while ((out || err) && !killer.given_up()) {
    std::array<pollfd, 4> fds{
        {{in.get(), POLLOUT, 0}, {out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {killer.fd(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), killer.timeout()) < 0 && errno != EINTR) {
      throw system_error("poll");
    }
    if (fds[3].revents != 0) {
      killer.kill();
    }
    if (in && fds[0].revents != 0) {
      feed(in, input);
    }
    if (out && fds[1].revents != 0) {
      drain(out, result.output, options);
    }
    if (err && fds[2].revents != 0) {
      drain(err, result.error, options);
    }
  }
}

}  // namespace

std::optional<std::string> find_program(std::string_view name) {
  if (name.find('/') != std::string_view::npos) {
    const std::string path(name);
    return ::access(path.c_str(), X_OK) == 0 ? std::optional(path) : std::nullopt;
  }
  const char* value = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nothing of ours changes the environment
  std::string_view rest = value != nullptr ? value : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (!rest.empty()) {
    const auto end = rest.find(':');
    const auto folder = rest.substr(0, end);
    std::string path = std::string(folder.empty() ? "." : folder) + "/" + std::string(name);
    if (::access(path.c_str(), X_OK) == 0) {
      return path;
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return std::nullopt;
}

CommandResult run_command(const std::vector<std::string>& argv, const CommandOptions& options) {
  const auto program = find_program(argv.at(0));
  if (!program) {
    throw Error(ErrorKind::not_found, "the program " + argv[0] + " is not installed (searched PATH)");
  }
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  Pipe status = make_pipe();
  const auto arguments = pointers(argv);
  const auto environment = pointers(options.environment);
  const ChildPlan plan{.program = program->c_str(),
                       .argv = arguments.data(),
                       .environment = options.environment.empty() ? ::environ : environment.data(),
                       .directory = options.directory.empty() ? nullptr : options.directory.c_str(),
                       .in = in.read.get(),
                       .out = out.write.get(),
                       .err = err.write.get(),
                       .status = status.write.get(),
                       .parent = ::getpid(),
                       .own_session = options.stop.stop_possible()};
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw system_error("fork");
  }
  if (pid == 0) {
    run_child(plan);
  }
  in.read.reset();
  out.write.reset();
  err.write.reset();
  status.write.reset();
  CommandResult result;
  Killer killer(pid, options.stop);
  exchange(in.write, out.read, err.read, result, options, killer);
  int wait_status = 0;
  while (::waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  if (killer.killed()) {
    throw Error(ErrorKind::cancelled, argv[0] + " was stopped");
  }
  int error_number = 0;
  if (::read(status.read.get(), &error_number, sizeof error_number) == sizeof error_number) {
    throw system_error("run " + argv[0], error_number);
  }
  result.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  return result;
}

}  // namespace dlc
