#pragma once
// .dockerignore and COPY --exclude: which paths of a tree are left out. Rules: Dockerfile reference, ".dockerignore
// file": names with * ? [..] and **, "!" takes back, the last line that matches decides, a directory's fate is its
// children's unless a later line speaks of them.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::dockerfile {

/// The patterns of an ignore file's text: byte order mark, comments and blank lines dropped, patterns cleaned.
[[nodiscard]] std::vector<std::string> parse_ignore_file(std::string_view text);

/// Shell-style match of one path component sequence: * and ? do not match '/', [..] and [^..] sets, '\' quotes. `**`
/// has no special meaning here. A malformed pattern matches nothing.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view name);
[[nodiscard]] bool glob_is_valid(std::string_view pattern);

/// Immutable after construction; thread-safe.
class IgnoreMatcher {
 public:
  /// `lines`: patterns as `parse_ignore_file` gives them or as --exclude is written. Throws Error(invalid) for a
  /// malformed one ("illegal exclusion pattern: \"!\"", "syntax error in pattern").
  explicit IgnoreMatcher(const std::vector<std::string>& lines);
  ~IgnoreMatcher();
  IgnoreMatcher(IgnoreMatcher&&) noexcept;
  IgnoreMatcher& operator=(IgnoreMatcher&&) noexcept;

  [[nodiscard]] bool empty() const noexcept;
  /// Whether the path (relative, '/' separated, no leading "./") is left out; its parents' lines count for it.
  [[nodiscard]] bool ignored(std::string_view path) const;
  /// Whether something below the ignored directory `dir` may come back by a "!" line, so that a walk must enter it.
  /// May say true where nothing does, never false where something does.
  [[nodiscard]] bool may_contain_included(std::string_view dir) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dlc::dockerfile
