#pragma once
// What identifies this run on this machine, and the private directory below the store's tmp/ that dies with it.
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace dlc::store {

/// The kernel's id of this boot.
[[nodiscard]] std::string boot_id();
/// When this process started, in ticks since boot: with the pid and the boot it names the process.
[[nodiscard]] std::string process_start_time();
/// "pid 123 (dlc build --buildspec ...)": this process, as others are told about it.
[[nodiscard]] std::string describe_this_process();

/// Adds what to do about a full disk to an error that says so, then rethrows; for public operations of the store.
template <typename Work>
auto with_space_hint(Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (Error& error) {
    if (error.kind() == ErrorKind::exhausted && error.hint().empty()) {
      error.hint("free space with `dlc store gc`, or choose a larger disk with --store");
    }
    throw;
  }
}

/// tmp/<pid>-<start>-<boot>/ with a locked file inside, made on first use. Whoever opens the store later removes the
/// directories whose lock is free: their owners are dead. Thread-safe.
class RunDirectory {
 public:
  explicit RunDirectory(std::filesystem::path store);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path();
  /// A new empty directory, mode 0700, below it.
  [[nodiscard]] std::filesystem::path make_directory(const std::string& prefix);
  /// Removes what dead runs left. Cheap where there is nothing.
  void reap();

 private:
  std::filesystem::path store_;
  std::filesystem::path path_;
  std::mutex mutex_;
  UniqueFd lock_;
};

}  // namespace dlc::store
