#include "base/prepared_change.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/tree_copy.h"

namespace dlc {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = ".dlc-edit-";
constexpr std::string_view kFormerPrefix = ".dlc-copy-";
constexpr std::size_t kRandom = 6;  // of mkdtemp
constexpr const char* kNew = "new";
constexpr const char* kOld = "old";

void rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw system_error("rename " + from.string() + " to " + to.string());
  }
}

void sync_directory(const fs::path& directory) {
  sync_file(open_file(directory.string(), O_RDONLY | O_DIRECTORY).get(), directory.string());
}

/// A file with owner and mode of another one.
void write_like(const fs::path& path, const std::string& text, const fs::path& other) {
  struct stat status{};
  if (::stat(other.c_str(), &status) != 0) {
    throw system_error("stat " + other.string());
  }
  auto fd = open_file(path.string(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  write_full(fd.get(), text, path.string());
  give_to(path, {.user = status.st_uid, .group = status.st_gid});
  if (::fchmod(fd.get(), status.st_mode & 07777U) != 0) {  // below chown, which takes bits away
    throw system_error("chmod " + path.string());
  }
  sync_file(fd.get(), path.string());
  fd.close(path.string());
}

}  // namespace

PreparedChange::PreparedChange(fs::path path, bool file)
    : path_(std::move(path)), directory_(parent_directory(path_), kPrefix), file_(file) {}

PreparedChange PreparedChange::of_file(const fs::path& path, const std::string& before, const std::string& after) {
  PreparedChange change(path, true);
  change.before_ = before;
  write_like(change.directory_.path() / kNew, after, path);
  const auto old = change.directory_.path() / kOld;
  if (::link(path.c_str(), old.c_str()) != 0) {  // not every file system has links, nor may one link everything
    write_like(old, before, path);
  }
  return change;
}

PreparedChange PreparedChange::of_copy(const fs::path& from, const fs::path& to) {
  PreparedChange change(to, false);
  const auto owner = ::geteuid() == 0 ? std::optional(owner_of(parent_directory(to))) : std::nullopt;
  copy_tree(from, change.directory_.path() / kNew, owner);
  return change;
}

void PreparedChange::put() {
  std::error_code error;
  if (file_ ? read_file(path_) != before_ : fs::exists(fs::symlink_status(path_, error))) {
    throw Error(ErrorKind::failed,
                path_.string() + (file_ ? " was changed" : " was made") + " by somebody else meanwhile")
        .hint("run the command again");
  }
  rename_path(directory_.path() / kNew, path_);
  try {
    sync_directory(parent_directory(path_));
  } catch (...) {
    take_back();
    throw;
  }
}

void PreparedChange::take_back() noexcept {
  try {
    if (file_) {
      rename_path(directory_.path() / kOld, path_);
    } else {
      rename_path(path_, directory_.path() / kNew);
    }
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "warning: could not put %s back: %s\n", path_.c_str(), failure.what());
  }
}

void remove_leftovers(const fs::path& directory) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const auto name = entry.path().filename().string();
    const auto prefix = name.starts_with(kPrefix) ? kPrefix : kFormerPrefix;
    if (name.starts_with(prefix) && name.size() == prefix.size() + kRandom &&
        fs::is_directory(entry.symlink_status())) {
      found.push_back(entry.path());
    }
  }
  for (const auto& path : found) {
    remove_tree(path);
  }
}

}  // namespace dlc
