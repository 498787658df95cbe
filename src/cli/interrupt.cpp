#include "cli/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace dlc::cli {

namespace {

// A signal handler can reach nothing but static storage.
std::atomic<int> first_signal{0};
std::atomic<sem_t*> wake{nullptr};

constexpr std::array kSignals{SIGINT, SIGTERM};
constexpr int kSignalStatus = 128;

void on_signal(int number) {
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, number)) {
    ::_exit(kSignalStatus + first_signal);
  }
  ::sem_post(wake);  // one of the few things that a handler may do
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
