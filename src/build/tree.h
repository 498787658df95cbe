#pragma once
// A read-only tree of files that COPY, ADD and bind mounts take from: a build context on the host, or the file system
// of a stage or image. Paths are relative, slash-separated and clean ("" is the root, no "." or ".."); no method
// follows a symbolic link. Thread-safe for reading.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace dlc::build {

struct Node {
  enum class Type { file, directory, symlink, character, block, fifo, socket };
  Type type = Type::file;
  std::uint32_t mode = 0;  ///< 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_nsec = 0;
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 1;
  std::int64_t ctime_ns = 0;
};

class Tree {
 public:
  virtual ~Tree() = default;
  [[nodiscard]] virtual std::optional<Node> lstat(const std::string& path) const = 0;
  /// Names in a directory, sorted bytewise.
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& path) const = 0;
  [[nodiscard]] virtual UniqueFd open(const std::string& path) const = 0;  ///< a regular file, for reading
  [[nodiscard]] virtual std::string read_link(const std::string& path) const = 0;
  [[nodiscard]] virtual std::map<std::string, std::string> xattrs(const std::string& path) const = 0;
};

enum class Missing { fail, keep };

/// The path with every link (the last one too) followed inside the tree, as a process chrooted there would. With
/// `Missing::keep` the part that does not exist is kept as it is; else nullopt. Error(invalid) on a loop of links or
/// where a component is no directory.
[[nodiscard]] std::optional<std::string> resolve(const Tree& tree, std::string_view path, Missing missing);

/// "a/b" of "a" and "b"; either may be "".
[[nodiscard]] std::string join(std::string_view parent, std::string_view name);
/// Drops leading slashes, "." and empty components and applies ".." (which stops at the root).
[[nodiscard]] std::string clean_relative(std::string_view path);
[[nodiscard]] std::string_view base_name(std::string_view path);
[[nodiscard]] std::string_view parent_path(std::string_view path);

/// The attributes of an open file or of a path relative to a directory descriptor (not followed).
[[nodiscard]] std::optional<Node> stat_node(int dir, const std::string& path);
[[nodiscard]] std::map<std::string, std::string> read_xattrs(int dir, const std::string& path);

}  // namespace dlc::build
