#include "cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "base/error.h"

namespace dlc::cli {

namespace {

// A signal handler can reach nothing but static storage.
std::atomic<int> first_signal{0};
std::atomic<int> wake_fd{-1};

constexpr std::array kSignals{SIGINT, SIGTERM};
constexpr int kSignalStatus = 128;

void on_signal(int number) {
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, number)) {
    ::_exit(kSignalStatus + first_signal);
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto ignored = ::write(wake_fd, &one, sizeof one);
}

/// A reader that goes away must not end a build between two of its steps: the write fails instead. A handler, not
/// SIG_IGN: programs that we start would inherit that.
void on_broken_pipe(int /*number*/) {}

void set_handler(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() : wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (!wake_) {
    throw system_error("eventfd");
  }
  first_signal = 0;
  wake_fd = wake_.get();
  thread_ = std::jthread([source = source_, fd = wake_.get()](const std::stop_token& done) mutable {
    std::uint64_t value = 0;
    [[maybe_unused]] const auto count = ::read(fd, &value, sizeof value);
    if (!done.stop_requested()) {
      source.request_stop();
    }
  });
  for (const int number : kSignals) {
    set_handler(number, on_signal);
  }
  set_handler(SIGPIPE, on_broken_pipe);
}

Interrupt::~Interrupt() {
  set_handler(SIGPIPE, SIG_DFL);
  for (const int number : kSignals) {
    set_handler(number, SIG_DFL);
  }
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto ignored = ::write(wake_.get(), &one, sizeof one);
}

int Interrupt::signal() const noexcept {
  return first_signal;
}

int Interrupt::exit_status(int otherwise) const noexcept {
  return first_signal == 0 ? otherwise : kSignalStatus + first_signal;
}

}  // namespace dlc::cli
