#pragma once
// Edits of several text files below one directory: made ready in memory, shown as a diff, tried in a copy of the tree,
// and then written together or not at all.
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace dlc {

/// Paths are relative to the root, with `/`. Not thread-safe.
class FileEdits {
 public:
  explicit FileEdits(std::filesystem::path root);

  /// The file as edited so far. Throws as read_file.
  [[nodiscard]] std::string text(const std::string& path) const;
  /// The text that the file is to have. The file must exist.
  void replace(const std::string& path, std::string text);
  /// A directory that is to become a copy of another, links and modes kept. Throws Error(usage) where `to` exists.
  void copy_directory(const std::string& from, const std::string& to);

  [[nodiscard]] bool empty() const;
  /// What a person should see: the copied directories, then a unified diff of the changed files.
  [[nodiscard]] std::string diff() const;

  /// The tree as it would be, in an empty directory: changed files and the directories above them are real, everything
  /// else is a link to the original.
  void stage(const std::filesystem::path& directory) const;

  /// Writes everything, in the order of the calls: directories are copied beside their places before the first one
  /// appears, each file changes from the old to the new in one step, and where a step fails what was done is taken
  /// back. Throws Error(failed) where a file is no longer as it was read.
  void apply() const;

 private:
  struct Change {
    std::string path;
    std::string before;
    std::string after;
  };

  [[nodiscard]] const Change* find(const std::string& path) const;

  std::filesystem::path root_;
  std::vector<Change> changes_;
  std::vector<std::pair<std::string, std::string>> copies_;
};

}  // namespace dlc
