#pragma once
// Who is at work on the store: one row and one locked file for each run. `gc` takes nothing away that a live run made,
// looked up or looked at (docs/engine.md, "Store: locks, leases"). The lock ends with the process, however it ends.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"

namespace dlc::store {

class Database;

class Lease {
 public:
  /// Records this run; all arguments outlive this.
  Lease(const std::filesystem::path& store, Database& database);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  [[nodiscard]] const std::string& run() const noexcept { return run_; }
  /// Rows used from then on (seconds since 1970) stay; older ones have to be marked before they are relied on.
  [[nodiscard]] std::int64_t since() const noexcept { return since_; }
  /// The same for files, by the clock of file systems (nanoseconds).
  [[nodiscard]] std::int64_t files_since() const noexcept { return files_since_; }

 private:
  Database& database_;
  std::filesystem::path file_;
  std::string run_;
  std::int64_t since_;
  std::int64_t files_since_ = 0;
  UniqueFd lock_;
};

struct LiveRun {
  std::string run;
  std::int64_t since = 0;  ///< seconds since 1970, with some slack for a clock that was set
};
/// The live runs other than `except`. With `drop`, rows and files of dead ones go.
[[nodiscard]] std::vector<LiveRun> live_runs(const std::filesystem::path& store, Database& database,
                                             const std::string& except, bool drop);

enum class Sweep { keeping, removing };
/// Held for moments: by gc, exclusively, while it looks at one file's time and removes it; by others, shared, while
/// they give a file that is there a new time and rely on it.
[[nodiscard]] UniqueFd lock_sweep(const std::filesystem::path& store, Sweep sweep);
/// Whether the file or directory is there; if so it stays while a run lives whose `files_since` is `since`.
[[nodiscard]] bool keep_file(const std::filesystem::path& store, const std::filesystem::path& file, std::int64_t since);

}  // namespace dlc::store
