#pragma once
// Small file jobs: read a file whole, write one atomically, temporary directories. For trusted paths of our own or of
// the user's; paths inside an image go through `sandbox`/`build` with openat2(RESOLVE_IN_ROOT).
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace dlc {

/// The whole file. Throws Error(not_found/denied/...) that names it, Error(invalid) where it exceeds `limit` bytes.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1ULL << 30);

/// The directory that a path lies in; "." of a bare name.
[[nodiscard]] std::filesystem::path parent_directory(const std::filesystem::path& path);

enum class Durability { volatile_, durable };

/// Writes beside `path` and renames over it, so a reader sees the old or the new file. Whatever is at `path` gives way,
/// a link or device too: for files of our own. A path that the user names for a result: base/output_file.h. `durable`
/// also syncs the file and its directory.
void write_file_atomically(const std::filesystem::path& path, std::string_view text,
                           Durability durability = Durability::volatile_, unsigned mode = 0644);

/// Removes a tree without following links or crossing into other mounts; directories without permission bits too.
/// Missing is no error.
void remove_tree(const std::filesystem::path& path);

/// A new directory, mode 0700, removed with its content by the destructor.
class TemporaryDirectory {
 public:
  /// Made below `parent`, which must exist. The name starts with `prefix`.
  TemporaryDirectory(const std::filesystem::path& parent, std::string_view prefix);
  /// Takes over a directory that is there.
  [[nodiscard]] static TemporaryDirectory adopt(std::filesystem::path directory);
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Gives the directory up: it stays (for a rename into place).
  std::filesystem::path release() noexcept;

 private:
  TemporaryDirectory() = default;
  std::filesystem::path path_;
};

}  // namespace dlc
