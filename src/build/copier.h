#pragma once
// Copies files of a tree into a root file system, as COPY and ADD do. Every path of the destination is resolved inside
// the root, whatever links an image holds. Not thread-safe: one copier per step.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "build/root_tree.h"
#include "build/selection.h"

namespace dlc::dockerfile {
class IgnoreMatcher;
}

namespace dlc::build {

/// Octal ("0755", applied as it is) or symbolic ("u+x,go-w", applied to each file's own mode).
class ChangeMode {
 public:
  /// Throws Error(invalid) "invalid chmod parameter: '...'".
  explicit ChangeMode(std::string_view text);
  [[nodiscard]] std::uint32_t apply(std::uint32_t mode, bool directory) const;
  /// Of directories that a copy makes on its way: an octal mode without special bits, else 0755 (as BuildKit).
  [[nodiscard]] std::uint32_t of_made_directory() const { return octal_ ? *octal_ & 0777 : 0755; }

 private:
  struct Clause {
    std::uint32_t who = 0;  // bits of u, g, o: 0700, 0070, 0007
    char operation = '=';
    std::string permissions;
  };
  std::optional<std::uint32_t> octal_;
  std::vector<Clause> clauses_;
};

struct CopyStyle {
  std::optional<std::pair<std::uint32_t, std::uint32_t>> owner = {};  ///< uid, gid; absent: the source's
  std::optional<ChangeMode> mode = {};
  const dockerfile::IgnoreMatcher* excludes = nullptr;  ///< relative to each source
};

class Copier {
 public:
  /// `root`: the destination's root directory, writable.
  Copier(const RootTree& root, CopyStyle style);

  /// Copies one selected source to `dest` (absolute or relative to the root; `directory`: written with a trailing slash
  /// or one of several). A directory's content goes into `dest`.
  void copy(const Tree& from, const Selected& source, std::string_view dest, bool directory);
  /// Writes a file with this content (a heredoc).
  void write_file(std::string_view name, std::string_view data, std::string_view dest, bool directory);
  /// mkdir -p; returns the resolved path. New directories get the style's owner, and 0755 or its octal mode.
  std::string make_directories(std::string_view path);

 private:
  /// Where a file of this name goes: `dest` itself, or below it where it is (or is written as) a directory. The parents
  /// are made.
  std::string place_file(std::string_view name, std::string_view dest, bool directory);
  void copy_below(const Tree& from, const Selected& source, std::string_view dest);
  void claim(const std::string& path, const std::string& source);
  void copy_node(const Tree& from, const std::string& source, const std::string& relative, const Node& node,
                 const std::string& dest, bool top);
  void copy_directory(const Tree& from, const std::string& source, const std::string& relative, const Node& node,
                      const std::string& dest, bool top);
  void copy_content(const Tree& from, const std::string& source, const Node& node, const std::string& dest);
  void make_special(const Tree& from, const std::string& source, const Node& node, const std::string& dest);
  void clear_place(const std::string& dest);
  void set_attributes(const Tree& from, const std::string& source, const Node& node, const std::string& dest);

  const RootTree& root_;
  CopyStyle style_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> links_;  // of one source: first copy of an inode
  std::map<std::string, std::string> claimed_;  // destination file -> source, to refuse two sources onto one file
};

}  // namespace dlc::build
