#pragma once
// A changed file or a new directory, made ready beside its place: putting it there, and taking it back, is one rename
// each, for which no space is needed.
#include <filesystem>
#include <string>

#include "base/files.h"

namespace dlc {

/// What was made ready is removed with the object. Throws Error from everything but `take_back`.
class PreparedChange {
 public:
  /// The file with another text; mode and owner stay. `path` is no link.
  [[nodiscard]] static PreparedChange of_file(const std::filesystem::path& path, const std::string& before,
                                              const std::string& after);
  /// A copy of a directory. Made by root, it belongs to the owner of the directory that it is made in.
  [[nodiscard]] static PreparedChange of_copy(const std::filesystem::path& from, const std::filesystem::path& to);

  /// Throws Error(failed) where the place is not as it was when this was made.
  void put();
  /// After `put`. What fails is said on standard error.
  void take_back() noexcept;

 private:
  PreparedChange(std::filesystem::path path, bool file);

  std::filesystem::path path_;
  TemporaryDirectory directory_;
  std::string before_;
  bool file_;
};

/// Removes what runs that were killed have left in a directory. The caller makes sure that no other one is at work.
void remove_leftovers(const std::filesystem::path& directory);

}  // namespace dlc
