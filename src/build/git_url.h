#pragma once
// What a source or a context names: a local path, a URL or a git repository. Forms and query parameters: Dockerfile
// reference, "Adding files from a Git repository"; docker build, "Git repositories".
#include <optional>
#include <string>
#include <string_view>

namespace dlc::build {

struct GitUrl {
  std::string remote;  ///< as git takes it, without fragment and query
  std::string ref;     ///< branch, tag or commit; empty: the default branch
  std::string subdir;
  std::string checksum;  ///< commit
  std::optional<bool> keep_git_dir;
  std::optional<bool> submodules;
  bool commit_times = false;  ///< mtime=commit
};

/// nullopt where the text is no git URL: git:// and ssh:// URLs, "user@host:path", http(s):// whose path ends in
/// ".git"; each with "#ref:subdir" or a query. Throws Error(invalid) without a place for a bad query.
[[nodiscard]] std::optional<GitUrl> parse_git_url(std::string_view text);

/// An http:// or https:// URL that is no git URL.
[[nodiscard]] bool is_http_url(std::string_view text);

/// The last component of a URL's path, "__unnamed__" where there is none.
[[nodiscard]] std::string url_filename(std::string_view url);

}  // namespace dlc::build
