#pragma once
// Edits of several text files below one directory: made ready in memory, shown as a diff, tried in a copy of the tree,
// and then written together or not at all.
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace dlc {

/// Paths are relative to the root, with `/`; two that mean one file, by links, are one. Not thread-safe.
class FileEdits {
 public:
  explicit FileEdits(std::filesystem::path root);

  /// The file as edited so far. Throws as read_file.
  [[nodiscard]] std::string text(const std::string& path) const;
  /// The text that the file is to have. The file must exist.
  void replace(const std::string& path, std::string text);
  /// A directory that is to become a copy of another, links and modes kept. False: it is there, and equal. Throws
  /// Error(usage) where something else is there, Error(invalid) where something cannot be copied.
  bool copy_directory(const std::string& from, const std::string& to);

  [[nodiscard]] bool empty() const;
  /// What a person should see: the copied directories, then a unified diff of the changed files.
  [[nodiscard]] std::string diff() const;

  /// Where the first file changes, in it as it is now: the changed line, or the one below which lines come.
  [[nodiscard]] SourceLocation first_place() const;

  /// The tree as it would be, in an empty directory: changed files and the directories above them are real, everything
  /// else is a link to the original.
  void stage(const std::filesystem::path& directory) const;

  /// Writes everything, in the order of the calls: all of it is made ready beside its places before the first rename,
  /// and where one fails what was done is taken back. Files keep their modes and owners. One process at a time writes
  /// below a root; what killed ones have left there is removed. Throws Error(failed) where a file is no longer as it
  /// was read. Signals are the caller's affair (held_signals.h).
  void apply() const;

 private:
  struct Change {
    std::string path;
    std::filesystem::path file;  ///< what the path means: a link's own target is what changes
    std::string before;
    std::string after;
  };

  [[nodiscard]] std::filesystem::path file_of(const std::string& path) const;
  void stage_tree(const std::filesystem::path& directory) const;
  [[nodiscard]] std::filesystem::path staged_source(const std::filesystem::directory_entry& entry,
                                                    const std::filesystem::path& directory) const;

  std::filesystem::path root_;
  std::vector<Change> changes_;
  std::vector<std::pair<std::string, std::string>> copies_;
  std::set<std::filesystem::path> places_;  ///< directories in which something is made ready
};

}  // namespace dlc
