#pragma once
// SIGINT, SIGTERM and SIGHUP as a stop request: the first one asks the work to end, the second one ends the process at
// once, which loses nothing that is finished (docs/engine.md, "Store"). A second SIGHUP is passed over: a terminal that
// closes sends two. One at a time in a process. A SIGHUP that was ignored (nohup) stays so. While it lives, writing
// into a pipe that nobody reads fails instead of ending the process.
#include <semaphore.h>

#include <array>
#include <csignal>
#include <stop_token>
#include <thread>

namespace dlc::cli {

class Interrupt {
 public:
  Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();  ///< puts the former handlers back

  [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }
  /// 0, or the signal that came first.
  [[nodiscard]] int signal() const noexcept;
  /// 128 + signal after a signal, else `otherwise`.
  [[nodiscard]] int exit_status(int otherwise) const noexcept;

 private:
  struct Former {
    int number;
    struct sigaction action;
  };

  std::stop_source source_;
  sem_t wake_{};
  std::array<Former, 4> former_{{{SIGINT, {}}, {SIGTERM, {}}, {SIGHUP, {}}, {SIGPIPE, {}}}};
  std::jthread thread_;
};

}  // namespace dlc::cli
