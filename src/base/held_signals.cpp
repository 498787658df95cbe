#include "base/held_signals.h"

#include <algorithm>
#include <array>

namespace dlc {

namespace {

constexpr std::array kHeld{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

}  // namespace

HeldSignals::HeldSignals() noexcept {
  ::sigemptyset(&held_);
  for (const int number : kHeld) {
    ::sigaddset(&held_, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &held_, &former_);
}

HeldSignals::~HeldSignals() {
  ::pthread_sigmask(SIG_SETMASK, &former_, nullptr);
}

bool HeldSignals::pending() const noexcept {
  sigset_t waiting{};
  ::sigpending(&waiting);
  return std::ranges::any_of(kHeld, [&](int number) { return ::sigismember(&waiting, number) == 1; });
}

}  // namespace dlc
