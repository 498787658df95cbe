#include "base/file_edits.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/text_diff.h"

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

/// Undoes, in reverse order, what has been written so far; forgets it by `keep`.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      try {
        if (step->before == nullptr) {
          remove_tree(step->path);
        } else if (read_file(step->path) != *step->before) {
          write_file_atomically(step->path, *step->before, Durability::durable, step->mode);
        }
      } catch (const std::exception& failure) {
        std::fprintf(stderr, "warning: could not put %s back: %s\n", step->path.c_str(), failure.what());
      }
    }
  }
  void made(fs::path path) { steps_.push_back({std::move(path), nullptr, 0}); }
  void replaced(fs::path path, const std::string& before, unsigned mode) {
    steps_.push_back({std::move(path), &before, mode});
  }
  void keep() { steps_.clear(); }

 private:
  struct Step {
    fs::path path;
    const std::string* before;  ///< null: a directory that was not there
    unsigned mode;
  };
  std::vector<Step> steps_;
};

unsigned mode_of(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    throw system_error("stat " + path.string());
  }
  return status.st_mode & 07777U;
}

}  // namespace

FileEdits::FileEdits(fs::path root) : root_(std::move(root)) {}

const FileEdits::Change* FileEdits::find(const std::string& path) const {
  const auto found = std::ranges::find(changes_, path, &Change::path);
  return found == changes_.end() ? nullptr : &*found;
}

std::string FileEdits::text(const std::string& path) const {
  const auto* change = find(path);
  return change != nullptr ? change->after : read_file(root_ / path, kLargestFile);
}

void FileEdits::replace(const std::string& path, std::string text) {
  const auto found = std::ranges::find(changes_, path, &Change::path);
  if (found != changes_.end()) {
    found->after = std::move(text);
  } else if (auto before = read_file(root_ / path, kLargestFile); before != text) {
    changes_.push_back({path, std::move(before), std::move(text)});
  }
}

void FileEdits::copy_directory(const std::string& from, const std::string& to) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(root_ / to, ignored))) {
    throw Error(ErrorKind::usage, to + " exists already").hint("remove it first, or choose another name");
  }
  copies_.emplace_back(from, to);
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

void FileEdits::stage(const fs::path& directory) const {
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
        fs::create_symlink(entry.path(), directory / path);
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
  std::vector<fs::path> files;  // a link's own target is what changes
  for (const auto& change : changes_) {
    files.push_back(fs::canonical(root_ / change.path));
    if (read_file(files.back(), kLargestFile) != change.before) {
      throw Error(ErrorKind::failed, change.path + " was changed by somebody else meanwhile; nothing was written")
          .hint("run the command again");
    }
  }
  Undo undo;
  try {
    std::vector<TemporaryDirectory> prepared;
    for (const auto& [from, to] : copies_) {
      const auto parent = (root_ / to).parent_path();
      fs::create_directories(parent);
      prepared.emplace_back(parent, ".dlc-copy-");
      fs::copy(root_ / from, prepared.back().path() / "tree",
               fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    }
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      const auto to = root_ / copies_[i].second;
      fs::rename(prepared[i].path() / "tree", to);
      undo.made(to);
    }
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      const auto mode = mode_of(files[i]);
      undo.replaced(files[i], changes_[i].before, mode);
      write_file_atomically(files[i], changes_[i].after, Durability::durable, mode);
    }
  } catch (const fs::filesystem_error& failure) {
    throw Error(ErrorKind::failed, failure.what());
  }
  undo.keep();
}

}  // namespace dlc
