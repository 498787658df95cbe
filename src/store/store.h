#pragma once
// The store: one directory with everything that dlc keeps (docs/engine.md, "Store"). Opening takes a shared lock and
// creates what is missing; a newer format is refused.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/files.h"
#include "store/blobs.h"
#include "store/format.h"
#include "store/layers.h"
#include "store/records.h"

namespace dlc::store {

/// Exclusive ownership of one step's key across processes; released by the destructor.
class StepLock {
 public:
  /// `fd` is locked; `path` names the same file, which the destructor removes.
  StepLock(UniqueFd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  StepLock(StepLock&&) noexcept = default;
  StepLock& operator=(StepLock&&) = delete;
  ~StepLock();

 private:
  UniqueFd fd_;
  std::filesystem::path path_;
};

struct CheckFinding {
  std::string what;  ///< the object
  std::string problem;
};

struct Usage {
  std::uint64_t blobs = 0, snapshots = 0, indexes = 0, database = 0, reclaimable = 0;  ///< bytes
};

struct GcResult {
  std::uint64_t bytes = 0;
  std::uint64_t blobs = 0, snapshots = 0;
};

class Store {
 public:
  /// `directory` is created (0700) where missing. Errors: denied, exhausted, unsupported (newer format, network file
  /// system), each with a hint.
  /// `choose` decides how the snapshots of a store are stacked that is not there yet.
  [[nodiscard]] static std::unique_ptr<Store> open(const std::filesystem::path& directory,
                                                   const ModeChooser& choose = native_snapshot_mode);
  /// --store over DLC_STORE over configuration over /var/lib/dlc (root) or $XDG_DATA_HOME/dlc.
  [[nodiscard]] static std::filesystem::path default_directory();
  ~Store();

  [[nodiscard]] const std::filesystem::path& directory() const noexcept;
  [[nodiscard]] BlobStore& blobs() noexcept;
  [[nodiscard]] Layers& layers() noexcept;
  [[nodiscard]] Records& records() noexcept;
  /// A new empty directory below tmp/; the next start removes it should this process die.
  [[nodiscard]] TemporaryDirectory make_temporary_directory();

  /// Blocks until the key is ours. `on_wait` is called once with a description of the holder if another process has it.
  /// A stop request while it waits is Error(cancelled).
  [[nodiscard]] StepLock lock_step(const Digest& key, const std::function<void(const std::string&)>& on_wait,
                                   const std::stop_token& stop = {});

  [[nodiscard]] std::vector<CheckFinding> check(bool contents);
  [[nodiscard]] Usage usage();
  /// Removes what no tag, no step used within the last `keep_seconds` and nothing written within them needs, nor any
  /// other process that has the store open. Two of them take turns.
  GcResult gc(std::int64_t keep_seconds, bool dry_run);

 private:
  Store();
  struct State;
  struct Upkeep;
  std::unique_ptr<State> state_;
};

}  // namespace dlc::store
