#include "store/copied_tree.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/error.h"
#include "store/file_clock.h"

namespace dlc::store {

namespace {

bool later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// By hand from the current positions, `count` bytes, where the kernel cannot copy between the two files.
void copy_bytes(int from, int to, std::uint64_t count, const std::string& path) {
  std::vector<std::byte> buffer(1 << 18);
  while (count > 0) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(count, buffer.size()));
    const auto done = read_full(from, piece, path);
    if (done == 0) {
      return;
    }
    write_full(to, piece.first(done), path);
    count -= done;
  }
}

void copy_extent(int from, int to, off_t begin, off_t end, const std::string& path) {
  off_t in = begin;
  off_t out = begin;
  while (in < end) {
    const ssize_t count = ::copy_file_range(from, &in, to, &out, static_cast<std::size_t>(end - in), 0);
    if (count <= 0) {
      break;
    }
  }
  if (in < end) {
    if (::lseek(from, in, SEEK_SET) < 0 || ::lseek(to, out, SEEK_SET) < 0) {
      throw system_error("copy /" + path);
    }
    copy_bytes(from, to, static_cast<std::uint64_t>(end - in), path);
  }
}

// The content of a file: its extents shared, else copied without the holes.
void copy_content(int from, int to, off_t size, const std::string& path) {
  if (::ioctl(to, FICLONE, from) == 0) {
    return;
  }
  for (off_t at = 0; at < size;) {
    const off_t begin = ::lseek(from, at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) {
      break;  // a hole up to the end
    }
    const off_t end = begin < 0 ? size : ::lseek(from, begin, SEEK_HOLE);
    copy_extent(from, to, std::max<off_t>(begin, at), end < 0 ? size : end, path);
    at = end < 0 ? size : end;
  }
  if (::ftruncate(to, size) != 0) {
    throw system_error("copy /" + path);
  }
}

void make_directory_at(int root, const std::string& path) {
  if (::mkdirat(root, path.c_str(), 0700) != 0) {
    throw system_error("create /" + path);
  }
}

// Zero where the file system does not tell.
timespec birth_of(int root, const std::string& path) {
  struct statx status{};
  const char* name = path.empty() ? "." : path.c_str();
  if (::statx(root, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status) != 0 || (status.stx_mask & STATX_BTIME) == 0) {
    return {};
  }
  return {status.stx_btime.tv_sec, static_cast<long>(status.stx_btime.tv_nsec)};
}

// A mark in the place of a file's name would be taken for one.
void refuse_mark_names(int root, const std::string& directory) {
  for (const auto& name : list_at(root, directory)) {
    const auto path = join(directory, name);
    if (name.starts_with(".wh.")) {
      throw Error(ErrorKind::failed,
                  "/" + path + " cannot be kept in a layer: names that begin with \".wh.\" mean removals")
          .hint("give the file another name, or remove it in the same step");
    }
    if (S_ISDIR(stat_at(root, path)->st_mode)) {
      refuse_mark_names(root, path);
    }
  }
}

}  // namespace

/// Copies the merged view, parents first, and notes what came of it.
class CopiedTree::Filler {
 public:
  Filler(const std::vector<std::filesystem::path>& lowers, SnapshotMode mode, const std::filesystem::path& directory,
         bool link)
      : lower_(lowers, mode), root_(open_file(directory.string(), O_RDONLY | O_DIRECTORY)), link_(link) {}

  void run(Copied& record) {
    if (const auto found = lower_.find("")) {
      finish("", *found);
    } else if (::fchmod(root_.get(), 0755) != 0) {
      throw system_error("set the mode of a copied root");
    }
    fill("", record);
    note("", record);
    if (!link_) {
      wait_past(newest_.tv_sec * 1'000'000'000 + newest_.tv_nsec);  // a change within a step of it would look like none
    }
  }

 private:
  void fill(const std::string& directory, Copied& record) {
    for (const auto& name : lower_.list(directory)) {
      const auto path = join(directory, name);
      const auto found = *lower_.find(path);
      Copied& entry = record.entries[name];
      if (S_ISDIR(found.status.st_mode)) {
        make_directory_at(root_.get(), path);
        fill(path, entry);
        finish(path, found);
      } else if (!(link_ && link(path, found))) {
        copy(path, found);
        finish(path, found);
      }
      note(path, entry);
    }
    if (directory.empty() && !lower_.empty()) {
      const auto status = lower_.find("")->status;
      set_mtime_at(root_.get(), "", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    }
  }

  bool link(const std::string& path, const LowerView::Found& found) {
    return ::linkat(lower_.root(found.lower), path.c_str(), root_.get(), path.c_str(), 0) == 0;
  }

  void copy(const std::string& path, const LowerView::Found& found) {
    const int from_root = lower_.root(found.lower);
    const auto& status = found.status;
    if (S_ISREG(status.st_mode)) {
      const UniqueFd from = open_beneath(from_root, path, O_RDONLY);
      UniqueFd to = open_beneath(root_.get(), path, O_RDWR | O_CREAT | O_EXCL, 0600);
      copy_content(from.get(), to.get(), status.st_size, path);
      to.close("/" + path);
    } else if (S_ISLNK(status.st_mode)) {
      if (::symlinkat(read_link_at(from_root, path).c_str(), root_.get(), path.c_str()) != 0) {
        throw system_error("create the link /" + path);
      }
    } else {
      make_device_at(root_.get(), path, status.st_mode & S_IFMT, status.st_rdev);
    }
  }

  void finish(const std::string& path, const LowerView::Found& found) {
    set_metadata_at(root_.get(), path, found.status, xattrs_at(lower_.root(found.lower), path));
    set_mtime_at(root_.get(), path, found.status.st_mtim.tv_sec, found.status.st_mtim.tv_nsec);
  }

  void note(const std::string& path, Copied& entry) {
    const auto status = *stat_at(root_.get(), path);
    entry.inode = status.st_ino;
    entry.changed = status.st_ctim;
    entry.directory = S_ISDIR(status.st_mode);
    if (entry.directory) {
      entry.born = birth_of(root_.get(), path);
    }
    if (later(status.st_ctim, newest_)) {
      newest_ = status.st_ctim;
    }
  }

  LowerView lower_;
  UniqueFd root_;
  bool link_;
  timespec newest_{};
};

/// Moves the changes out.
class CopiedTree::Settler {
 public:
  Settler(const std::filesystem::path& tree, const std::filesystem::path& upper)
      : tree_(open_file(tree.string(), O_RDONLY | O_DIRECTORY)),
        upper_(open_file(upper.string(), O_RDONLY | O_DIRECTORY)) {}

  void run(const Copied& record) { walk("", record); }

 private:
  /// A directory that is still the one that was copied.
  void walk(const std::string& directory, const Copied& record) {
    const auto status = *stat_at(tree_.get(), directory);
    if (!same(status.st_ctim, record.changed)) {
      keep_directory(directory);
    }
    const auto names = list_at(tree_.get(), directory);
    for (const auto& name : names) {
      const auto path = join(directory, name);
      const auto entry = *stat_at(tree_.get(), path);
      const auto known = record.entries.find(name);
      const bool is_directory = S_ISDIR(entry.st_mode);
      if (known != record.entries.end() && is_the_copy(path, entry, known->second)) {
        if (is_directory) {
          walk(path, known->second);
        } else if (!same(entry.st_ctim, known->second.changed)) {
          move(path, false);
        }
        continue;
      }
      move(path, known != record.entries.end() && known->second.directory && is_directory);
    }
    for (const auto& [name, entry] : record.entries) {
      if (!std::binary_search(names.begin(), names.end(), name)) {
        keep_directory(directory);
        make_whiteout_at(upper_.get(), join(directory, name), SnapshotMode::copy);
      }
    }
    if (!directory.empty() && kept_.contains(directory)) {
      finish_directory(directory, status);
    }
  }

  bool is_the_copy(const std::string& path, const struct stat& entry, const Copied& known) {
    return known.inode == entry.st_ino && known.directory == S_ISDIR(entry.st_mode) &&
           (!known.directory || same(known.born, birth_of(tree_.get(), path)));
  }

  void keep_directory(const std::string& directory) {
    if (!kept_.insert(directory).second) {
      return;
    }
    keep_directory(parent_of(directory));
    make_directory_at(upper_.get(), directory);
  }

  void finish_directory(const std::string& directory, const struct stat& status) {
    set_metadata_at(upper_.get(), directory, status, xattrs_at(tree_.get(), directory));
    set_mtime_at(upper_.get(), directory, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }

  void move(const std::string& path, bool replaces_directory) {
    if (name_of(path).starts_with(".wh.")) {
      refuse_mark_names(tree_.get(), parent_of(path));
    }
    const auto status = *stat_at(tree_.get(), path);
    if (S_ISDIR(status.st_mode)) {
      refuse_mark_names(tree_.get(), path);
    }
    keep_directory(parent_of(path));
    if (::renameat(tree_.get(), path.c_str(), upper_.get(), path.c_str()) != 0) {
      throw system_error("move the changed /" + path);
    }
    if (S_ISDIR(status.st_mode)) {
      if (replaces_directory) {
        make_opaque_at(upper_.get(), path, SnapshotMode::copy);
      }
      set_mtime_at(upper_.get(), path, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    }
  }

  UniqueFd tree_;
  UniqueFd upper_;
  std::set<std::string> kept_{""};
};

CopiedTree::CopiedTree(const std::vector<std::filesystem::path>& lowers, SnapshotMode mode,
                       std::filesystem::path directory, Use use)
    : directory_(std::move(directory)), root_(std::make_unique<Copied>()) {
  Filler(lowers, mode, directory_, use == Use::read).run(*root_);
}

CopiedTree::~CopiedTree() = default;

void CopiedTree::settle(const std::filesystem::path& upper) {
  Settler(directory_, upper).run(*root_);
  root_ = std::make_unique<Copied>();
}

}  // namespace dlc::store
