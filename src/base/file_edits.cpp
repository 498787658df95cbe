#include "base/file_edits.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/directory_lock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/lines.h"
#include "base/prepared_change.h"
#include "base/text_diff.h"
#include "base/tree_copy.h"

namespace dlc {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestFile = 16 << 20;

std::size_t files_in(const fs::path& directory) {
  const auto entries = fs::recursive_directory_iterator(directory);
  return static_cast<std::size_t>(std::count_if(
      begin(entries), end(entries), [](const auto& entry) { return !fs::is_directory(entry.symlink_status()); }));
}

/// The directories above these paths, parents first.
std::set<std::string> parents_of(const std::set<std::string>& paths) {
  std::set<std::string> parents{""};
  for (const auto& path : paths) {
    for (auto parent = fs::path(path).parent_path(); !parent.empty(); parent = parent.parent_path()) {
      parents.insert(parent.generic_string());
    }
  }
  return parents;
}

/// Puts changes in their places, in order; takes back, in reverse order, what is not kept.
class Transaction {
 public:
  Transaction() = default;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    for (; done_ > 0; --done_) {
      changes_[done_ - 1].take_back();
    }
  }
  void add(PreparedChange change) { changes_.push_back(std::move(change)); }
  void put_all() {
    for (auto& change : changes_) {
      change.put();
      ++done_;
    }
    done_ = 0;
  }

 private:
  std::vector<PreparedChange> changes_;
  std::size_t done_ = 0;  ///< the first ones, which are in their places
};

}  // namespace

FileEdits::FileEdits(fs::path root) : root_(std::move(root)) {}

fs::path FileEdits::file_of(const std::string& path) const {
  std::error_code error;
  auto file = fs::canonical(root_ / path, error);
  return error ? root_ / path : file;
}

std::string FileEdits::text(const std::string& path) const {
  const auto file = file_of(path);
  const auto found = std::ranges::find(changes_, file, &Change::file);
  return found != changes_.end() ? found->after : read_file(root_ / path, kLargestFile);
}

void FileEdits::replace(const std::string& path, std::string text) {
  auto file = file_of(path);
  const auto found = std::ranges::find(changes_, file, &Change::file);
  if (found != changes_.end()) {
    found->after = std::move(text);
  } else if (auto before = read_file(file, kLargestFile); before != text) {
    places_.insert(file.parent_path());
    changes_.push_back({path, std::move(file), std::move(before), std::move(text)});
  }
}

bool FileEdits::copy_directory(const std::string& from, const std::string& to) {
  try {
    const auto there = fs::symlink_status(root_ / to);
    if (fs::exists(there) && !(fs::is_directory(there) && equal_trees(root_ / from, root_ / to))) {
      throw Error(ErrorKind::usage, fmt::format("{} exists already, and is no copy of {}", to, from))
          .hint("remove it first, or choose another name");
    }
    places_.insert((root_ / to).parent_path());
    if (fs::exists(there)) {
      return false;
    }
    require_plain_tree((root_ / from).lexically_normal());
  } catch (const fs::filesystem_error& error) {
    throw file_system_error(error);
  }
  copies_.emplace_back(from, to);
  return true;
}

bool FileEdits::empty() const {
  return copies_.empty() && changes_.empty();
}

std::string FileEdits::diff() const {
  std::string text;
  for (const auto& [from, to] : copies_) {
    const auto files = files_in(root_ / from);
    text += fmt::format("copy {}/ -> {}/  ({} file{})\n", from, to, files, files == 1 ? "" : "s");
  }
  for (const auto& change : changes_) {
    text += unified_diff("a/" + change.path, change.before, "b/" + change.path, change.after);
  }
  return text;
}

SourceLocation FileEdits::first_place() const {
  if (changes_.empty()) {
    return {};
  }
  const auto& change = changes_.front();
  const auto before = split_lines(change.before);
  const auto after = split_lines(change.after);
  const auto [old_line, new_line] = std::ranges::mismatch(before, after);
  const auto same = static_cast<int>(old_line - before.begin());
  const bool only_more = after.size() > before.size() &&
                         std::equal(old_line, before.end(), after.end() - (before.end() - old_line), after.end());
  return {.file = change.path, .line = std::max(1, same + (only_more ? 0 : 1)), .column = 1};
}

void FileEdits::stage(const fs::path& directory) const {
  try {
    stage_tree(directory);
  } catch (const fs::filesystem_error& error) {
    throw file_system_error(error);
  }
}

fs::path FileEdits::staged_source(const fs::directory_entry& entry, const fs::path& directory) const {
  if (entry.is_symlink()) {  // of an edited file, perhaps
    std::error_code error;
    const auto found = std::ranges::find(changes_, fs::canonical(entry.path(), error), &Change::file);
    if (found != changes_.end()) {
      return directory / found->path;
    }
  }
  return entry.path();
}

void FileEdits::stage_tree(const fs::path& directory) const {
  std::set<std::string> edited;
  for (const auto& change : changes_) {
    edited.insert(change.path);
  }
  for (const auto& copy : copies_) {
    edited.insert(copy.second);
  }
  const auto origin = fs::canonical(root_);
  const auto parents = parents_of(edited);
  for (const auto& parent : parents) {
    fs::create_directories(directory / parent);
    if (!fs::is_directory(origin / parent)) {
      continue;
    }
    for (const auto& entry : fs::directory_iterator(origin / parent)) {
      const auto path = (fs::path(parent) / entry.path().filename()).generic_string();
      if (!edited.contains(path) && !parents.contains(path)) {
        fs::create_symlink(staged_source(entry, directory), directory / path);
      }
    }
  }
  for (const auto& change : changes_) {
    write_file_atomically(directory / change.path, change.after);
  }
  for (const auto& [from, to] : copies_) {
    fs::create_directory_symlink(origin / from, directory / to);
  }
}

void FileEdits::apply() const {
  const DirectoryLock lock(root_);
  for (const auto& change : changes_) {
    if (read_file(change.file, kLargestFile) != change.before) {
      throw Error(ErrorKind::failed, change.path + " was changed by somebody else meanwhile; nothing was written")
          .hint("run the command again");
    }
  }
  if (lock.held()) {
    std::ranges::for_each(places_, remove_leftovers);
  }
  Transaction transaction;
  for (const auto& [from, to] : copies_) {
    transaction.add(PreparedChange::of_copy(root_ / from, root_ / to));
  }
  for (const auto& change : changes_) {
    transaction.add(PreparedChange::of_file(change.file, change.before, change.after));
  }
  transaction.put_all();
}

}  // namespace dlc
