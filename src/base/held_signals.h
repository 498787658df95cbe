#pragma once
// Signals that end a program, held back while it does what must not stop half-way.
#include <csignal>

namespace dlc {

/// While it lives, SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGPIPE wait; then they act as they would have. For programs
/// whose other threads, if any, were started meanwhile: those hold them back too.
class HeldSignals {
 public:
  HeldSignals() noexcept;
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

  /// Whether one of them waits.
  [[nodiscard]] bool pending() const noexcept;

 private:
  sigset_t held_{};
  sigset_t former_{};
};

}  // namespace dlc
