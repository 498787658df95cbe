#include "cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace dlc::cli {

namespace {

// A signal handler can reach nothing but static storage.
std::atomic<int> first_signal{0};
std::atomic<sem_t*> wake{nullptr};

constexpr int kSignalStatus = 128;

void on_signal(int number) {
  int none = 0;
  if (number == SIGHUP && first_signal == SIGHUP) {
    return;  // a terminal that closes sends it from the shell and from the kernel
  }
  if (!first_signal.compare_exchange_strong(none, number)) {
    ::_exit(kSignalStatus + first_signal);
  }
  ::sem_post(wake);  // one of the few things that a handler may do
}

/// A reader that goes away must not end a build between two of its steps: the write fails instead. A handler, not
/// SIG_IGN: programs that we start would inherit that.
void on_broken_pipe(int /*number*/) {}

/// The former one.
struct sigaction set_handler(int number) {
  struct sigaction former{};
  struct sigaction action{};
  action.sa_handler = number == SIGPIPE ? on_broken_pipe : on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, &former);
  if (number == SIGHUP && former.sa_handler == SIG_IGN) {
    ::sigaction(number, &former, nullptr);
  }
  return former;
}

}  // namespace

Interrupt::Interrupt() {
  ::sem_init(&wake_, 0, 0);
  first_signal = 0;
  wake = &wake_;
  thread_ = std::jthread([source = source_, this](const std::stop_token& done) mutable {
    while (::sem_wait(&wake_) != 0 && errno == EINTR) {
    }
    if (!done.stop_requested()) {
      source.request_stop();
    }
  });
  for (auto& [number, action] : former_) {
    action = set_handler(number);
  }
}

Interrupt::~Interrupt() {
  for (const auto& [number, action] : former_) {
    ::sigaction(number, &action, nullptr);
  }
  thread_.request_stop();
  ::sem_post(&wake_);
  thread_.join();
  ::sem_destroy(&wake_);
}

int Interrupt::signal() const noexcept {
  return first_signal;
}

int Interrupt::exit_status(int otherwise) const noexcept {
  return first_signal == 0 ? otherwise : kSignalStatus + first_signal;
}

}  // namespace dlc::cli
