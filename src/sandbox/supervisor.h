#pragma once
// The process between us and the OCI runtime: PID 1 of a PID and mount namespace of its own, so that its end, by
// whatever cause, is the end of every process and mount of the container. docs/engine.md, "Running a step".
#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "base/fd.h"

namespace dlc::sandbox {

/// A detached mount and where the supervisor attaches it (existing place, visible in our mount namespace).
struct StagedMount {
  UniqueFd mount;
  std::string target;
};

struct SupervisorPlan {
  std::vector<std::string> argv;         ///< the runtime, argv[0] a path
  std::vector<std::string> environment;  ///< of the runtime
  std::vector<StagedMount> mounts;
  std::array<int, 3> stdio{0, 1, 2};  ///< the container's
  std::vector<int> cgroups;           ///< cgroup.procs files that the runtime joins
  bool own_session = true;            ///< out of reach of the terminal's signals
};

struct SupervisorExit {
  int status = 0;       ///< exit status of the runtime, 128 + N for signal N
  bool killed = false;  ///< the supervisor itself was killed: by us, or by something outside
};

class Supervisor {
 public:
  /// Starts it. Error where the kernel refuses. The calling thread must live as long as the supervisor (its death would
  /// kill it), so the thread that calls this is the one that waits.
  explicit Supervisor(const SupervisorPlan& plan);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  /// Kills what still runs and waits for it.
  ~Supervisor();

  /// Readable once it has ended, and with it every process of the container.
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  /// Asks the runtime to pass a signal to the container's first process. Never blocks.
  void signal(int number) noexcept;
  /// Ends the container at once.
  void kill() noexcept;
  /// Waits for the end. Throws Error where the supervisor could not set the container up.
  [[nodiscard]] SupervisorExit wait();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd control_;
  UniqueFd report_;
};

}  // namespace dlc::sandbox
