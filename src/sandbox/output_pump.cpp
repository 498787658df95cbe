#include "sandbox/output_pump.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace dlc::sandbox {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kForwarded{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
constexpr int kPipeSize = 1 << 20;

/// The signals to pass on, taken from this thread's normal delivery for a while.
class SignalSource {
 public:
  explicit SignalSource(bool enabled) {
    if (!enabled) {
      return;
    }
    sigset_t set;
    sigemptyset(&set);
    for (const int number : kForwarded) {
      sigaddset(&set, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    fd_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~SignalSource() {
    if (fd_) {
      ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
  }
  SignalSource(const SignalSource&) = delete;
  SignalSource& operator=(const SignalSource&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// The next one that has come, or 0.
  [[nodiscard]] int next() const {
    signalfd_siginfo info{};
    return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  UniqueFd fd_;
  sigset_t before_{};
};

/// One chunk; false at the end of the stream or where nothing is there now.
bool read_chunk(UniqueFd& fd, LogStream stream, std::vector<char>& buffer,
                const std::function<void(LogStream, std::string_view)>& on_output) {
  const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
  if (count > 0) {
    on_output(stream, {buffer.data(), static_cast<std::size_t>(count)});
    return true;
  }
  if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    fd.reset();
  }
  return false;
}

std::pair<UniqueFd, UniqueFd> output_pipe(std::uint32_t uid, std::uint32_t gid) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    throw system_error("create a pipe");
  }
  std::pair<UniqueFd, UniqueFd> ends{UniqueFd(fds[0]), UniqueFd(fds[1])};
  ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
  ::fcntl(fds[0], F_SETPIPE_SZ, kPipeSize);  // best effort: a user's pipe quota may forbid it
  if (uid != 0 && ::fchown(fds[1], uid, gid) != 0) {
    throw system_error("give the output to the container's user");
  }
  return ends;
}

/// When and how a container is asked to end.
class Stopper {
 public:
  Stopper(Supervisor& supervisor, const ContainerSpec& spec)
      : supervisor_(supervisor),
        gentle_(spec.forward_signals),
        signal_(signal_number(spec.stop_signal.empty() ? "SIGTERM" : spec.stop_signal)),
        timeout_(spec.stop_timeout) {}

  static constexpr std::chrono::seconds kPatience{10};

  void stop() {
    stopped_ = true;
    if (gentle_ && !deadline_) {
      supervisor_.signal(signal_);
      deadline_ = Clock::now() + timeout_.value_or(kPatience);
    } else if (!gentle_) {
      supervisor_.kill();
    }
  }
  /// Passes a signal of ours on. SIGTERM asks to end: it goes as the stop signal, and only where a timeout was given is
  /// an answer not waited for without limit (`docker run` does not either: a training job may be saving its state).
  void forward(int number) {
    supervisor_.signal(number == SIGTERM ? signal_ : number);
    if (number == SIGTERM && timeout_ && !deadline_) {
      deadline_ = Clock::now() + *timeout_;
    }
  }
  void check_deadline() {
    if (deadline_ && Clock::now() >= *deadline_) {
      supervisor_.kill();
      deadline_ = Clock::now() + std::chrono::hours(1);
    }
  }
  [[nodiscard]] int poll_timeout() const {
    if (!deadline_) {
      return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000 * 3600));
  }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  Supervisor& supervisor_;
  bool gentle_;
  int signal_;
  std::optional<std::chrono::seconds> timeout_;
  bool stopped_ = false;
  std::optional<Clock::time_point> deadline_;
};

}  // namespace

ContainerStreams::ContainerStreams(const ContainerSpec& spec, std::uint32_t uid, std::uint32_t gid) {
  if (!spec.interactive && !spec.terminal) {
    in_ = open_file("/dev/null", O_RDONLY);
    ends_[0] = in_.get();
  }
  if (!spec.inherit_output && !spec.terminal) {
    std::tie(out, out_end_) = output_pipe(uid, gid);
    std::tie(err, err_end_) = output_pipe(uid, gid);
    ends_[1] = out_end_.get();
    ends_[2] = err_end_.get();
  }
}

std::array<int, 3> ContainerStreams::container_ends() const {
  return ends_;
}

void ContainerStreams::close_container_ends() {
  in_.reset();
  out_end_.reset();
  err_end_.reset();
}

bool pump(Supervisor& supervisor, ContainerStreams& streams, const ContainerSpec& spec,
          const std::function<void(LogStream, std::string_view)>& on_output, const std::stop_token& stop) {
  const SignalSource signals(spec.forward_signals);
  Stopper stopper(supervisor, spec);
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(stop, [&wake] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(wake.get(), &one, sizeof one);
  });
  std::vector<char> buffer(1U << 16);
  bool ended = false;
  while (!ended) {
    std::array<pollfd, 5> fds{{{supervisor.pidfd(), POLLIN, 0},
                               {streams.out.get(), POLLIN, 0},
                               {streams.err.get(), POLLIN, 0},
                               {stopper.stopped() ? -1 : wake.get(), POLLIN, 0},
                               {signals.fd(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), stopper.poll_timeout()) < 0 && errno != EINTR) {
      throw system_error("poll");
    }
    ended = fds[0].revents != 0;
    if (fds[1].revents != 0) {
      read_chunk(streams.out, LogStream::out, buffer, on_output);
    }
    if (fds[2].revents != 0) {
      read_chunk(streams.err, LogStream::err, buffer, on_output);
    }
    if (fds[3].revents != 0) {
      stopper.stop();
    }
    if (fds[4].revents != 0) {
      while (const int number = signals.next()) {
        stopper.forward(number);
      }
    }
    stopper.check_deadline();
  }
  // Nobody of the container's is left to write; what is in the pipes is all there is.
  while (streams.out && read_chunk(streams.out, LogStream::out, buffer, on_output)) {
  }
  while (streams.err && read_chunk(streams.err, LogStream::err, buffer, on_output)) {
  }
  return stopper.stopped();
}

int signal_number(std::string_view name) {
  int number = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (code == std::errc{} && end == name.data() + name.size() && number > 0 && number <= SIGRTMAX) {
    return number;
  }
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  if (upper.starts_with("SIG")) {
    upper.erase(0, 3);
  }
  for (number = 1; number < SIGRTMIN; ++number) {
    const char* known = ::sigabbrev_np(number);
    if (known != nullptr && upper == known) {
      return number;
    }
  }
  for (const std::string_view base : {"RTMIN", "RTMAX"}) {
    int offset = 0;
    if (!upper.starts_with(base)) {
      continue;
    }
    const char* text = upper.c_str() + base.size() + (upper.size() > base.size() && upper[base.size()] == '+' ? 1 : 0);
    const auto parsed = std::from_chars(text, upper.c_str() + upper.size(), offset);
    number = (base == "RTMIN" ? SIGRTMIN : SIGRTMAX) + offset;
    if ((*text == '\0' || (parsed.ec == std::errc{} && *parsed.ptr == '\0')) && number >= SIGRTMIN &&
        number <= SIGRTMAX) {
      return number;
    }
  }
  throw Error(ErrorKind::invalid, "unknown signal " + std::string(name));
}

}  // namespace dlc::sandbox
