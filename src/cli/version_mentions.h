#pragma once
// Where files name a version: what a person has to look at after an upgrade.
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::cli {

/// The text with each `from` that stands as a word of its own replaced: "1.9.1" neither in "1.9.10" nor in "11.9.1".
[[nodiscard]] std::string replace_version(std::string_view text, std::string_view from, std::string_view to);
/// Whether the version stands in the text as a word of its own.
[[nodiscard]] bool names_version(std::string_view text, std::string_view version);

/// A line that names the version.
struct Mention {
  std::string path;
  int line = 0;
  std::string text;  ///< trimmed and cut
};
void add_mentions(const std::string& path, std::string_view content, std::string_view version,
                  std::vector<Mention>& found);

/// The same for all text files below a directory (path names are relative to `root`), sorted; hidden files, links and
/// files over 1 MiB are left out, and the directories and files for which `skip` says so.
void add_mentions_below(const std::filesystem::path& root, const std::string& directory, std::string_view version,
                        const std::function<bool(const std::string& path)>& skip, std::vector<Mention>& found);

}  // namespace dlc::cli
