#pragma once
// SIGINT and SIGTERM as a stop request: the first one asks the work to end, the second one ends the process at once
// (which loses nothing that is finished: docs/engine.md, "Store"). One at a time in a process.
// While it lives, writing into a pipe that nobody reads fails instead of ending the process.
#include <semaphore.h>

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
  /// 0, SIGINT or SIGTERM: what came first.
  [[nodiscard]] int signal() const noexcept;
  /// 130 or 143 after a signal, else `otherwise`.
  [[nodiscard]] int exit_status(int otherwise) const noexcept;

 private:
  std::stop_source source_;
  sem_t wake_{};
  std::jthread thread_;
};

}  // namespace dlc::cli
