#include "store/changes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace dlc::store {

namespace {

bool same_content(int left_root, int right_root, const std::string& path) {
  const UniqueFd left = open_beneath(left_root, path, O_RDONLY);
  const UniqueFd right = open_beneath(right_root, path, O_RDONLY);
  std::vector<std::byte> left_bytes(1 << 16);
  std::vector<std::byte> right_bytes(1 << 16);
  while (true) {
    const std::size_t count = read_full(left.get(), left_bytes, path);
    if (read_full(right.get(), right_bytes, path) != count ||
        std::memcmp(left_bytes.data(), right_bytes.data(), count) != 0) {
      return false;
    }
    if (count < left_bytes.size()) {
      return true;
    }
  }
}

// Position in the layer: component by component, so that a directory's content follows it at once.
std::string sort_key(const Change& change) {
  std::string key;
  std::size_t begin = 0;
  while (begin < change.path.size()) {
    const std::size_t end = std::min(change.path.find('/', begin), change.path.size());
    key += '\0';
    key += change.whiteout && end == change.path.size() ? '\1' : '\2';
    key.append(change.path, begin, end - begin);
    begin = end + 1;
  }
  return key;
}

// How much of the parent shows through at a directory of the upper.
enum class View {
  merged,    // the parent's directory, with the upper's changes
  replaced,  // the parent has a directory here, but an opaque mark above or here hides it
  fresh,     // the parent has no directory here
};

class Scanner {
 public:
  Scanner(int upper, LowerView& lower, bool ancestors, const OtherNames& other_names)
      : upper_(upper), lower_(lower), mode_(lower.mode()), ancestors_(ancestors), other_names_(other_names) {}

  std::vector<Change> run() {
    scan_root();
    if (join_lower_names()) {
      changes_.clear();
      groups_.clear();
      scan_root();
    }
    settle_groups();
    std::vector<std::pair<std::string, std::size_t>> order;
    order.reserve(changes_.size());
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      order.emplace_back(sort_key(changes_[i]), i);
    }
    std::sort(order.begin(), order.end());
    std::vector<Change> sorted;
    sorted.reserve(order.size());
    for (const auto& [key, index] : order) {
      sorted.push_back(std::move(changes_[index]));
    }
    mark_hard_links(sorted);
    return sorted;
  }

 private:
  struct Member {
    std::string path;
    bool same = false;       // the parent shows exactly this file here
    LowerView::Found below;  // where `same`
  };

  /// A layer never has an entry for the root: BuildKit's and Docker's have none either.
  void scan_root() { scan_directory("", lower_.empty() ? View::fresh : View::merged); }

  // Returns whether anything below is part of the layer.
  bool scan_directory(const std::string& directory, View view) {
    const auto names = list_names_at(upper_, directory, mode_);
    bool found = false;
    if (view == View::merged && is_opaque_at(upper_, directory, mode_)) {
      view = View::replaced;
    }
    if (view == View::replaced) {  // explicit whiteouts, as the image-spec prefers
      for (const auto& name : lower_.list(directory)) {
        if (!std::binary_search(names.begin(), names.end(), name)) {
          add_whiteout(join(directory, name));
          found = true;
        }
      }
    }
    for (const auto& name : names) {
      found = scan_entry(join(directory, name), view) || found;
    }
    return found;
  }

  bool scan_entry(const std::string& path, View view) {
    if (name_of(path).starts_with(".wh.")) {
      throw Error(ErrorKind::failed,
                  "/" + path + " cannot be kept in a layer: names that begin with \".wh.\" mean removals")
          .hint("give the file another name, or remove it in the same step");
    }
    const auto look = look_at(upper_, path, mode_);
    const auto& status = look.status;
    const auto below = view == View::fresh ? std::nullopt : lower_.find(path);
    if (look.kind == Look::Kind::whiteout) {
      if (below) {
        add_whiteout(path);
      } else {
        remove_whiteout_at(upper_, path, mode_);
      }
      return below.has_value();
    }
    if (S_ISSOCK(status.st_mode)) {  // no archive holds a socket; what it replaced is gone all the same
      unlink_at(upper_, path, false);
      if (below) {
        make_whiteout_at(upper_, path, mode_);
        add_whiteout(path);
      }
      return below.has_value();
    }
    if (S_ISDIR(status.st_mode)) {
      return scan_subdirectory(path, status, view, below);
    }
    const bool same = view == View::merged && below && same_file(path, status, *below);
    if (status.st_nlink > 1) {
      groups_[status.st_ino].push_back({path, same, same ? *below : LowerView::Found{}});
      if (same) {
        return true;  // settled when the whole group is known
      }
    } else if (same) {
      unlink_at(upper_, path, false);
      return false;
    }
    add(path, status);
    return true;
  }

  bool scan_subdirectory(const std::string& path, const struct stat& status, View above,
                         const std::optional<LowerView::Found>& below) {
    const View view = below && S_ISDIR(below->status.st_mode) ? above : View::fresh;
    // A directory's time is no change: each copy-up and each entry that came and went touches it.
    const bool changed = view != View::merged || !same_metadata(path, status, *below);
    const bool found = scan_directory(path, view);
    if (changed || (found && ancestors_)) {
      add(path, status);
      return true;
    }
    if (!found) {
      unlink_at(upper_, path, true);
    }
    return found;
  }

  bool same_metadata(const std::string& path, const struct stat& status, const LowerView::Found& below) {
    return status.st_mode == below.status.st_mode && status.st_uid == below.status.st_uid &&
           status.st_gid == below.status.st_gid && status.st_rdev == below.status.st_rdev &&
           xattrs_at(upper_, path) == xattrs_at(lower_.root(below.lower), path);
  }

  bool same_file(const std::string& path, const struct stat& status, const LowerView::Found& below) {
    if (status.st_mtim.tv_sec != below.status.st_mtim.tv_sec ||
        status.st_mtim.tv_nsec != below.status.st_mtim.tv_nsec || status.st_size != below.status.st_size ||
        !same_metadata(path, status, below)) {
      return false;
    }
    if (S_ISLNK(status.st_mode)) {
      return read_link_at(upper_, path) == read_link_at(lower_.root(below.lower), path);
    }
    return !S_ISREG(status.st_mode) || same_content(upper_, lower_.root(below.lower), path);
  }

  void add(const std::string& path, const struct stat& status) {
    Change change{path, false, status, xattrs_at(upper_, path), {}, {}};
    if (S_ISLNK(status.st_mode)) {
      change.link = read_link_at(upper_, path);
    }
    changes_.push_back(std::move(change));
  }

  void add_whiteout(const std::string& path) { changes_.push_back({path, true, {}, {}, {}, {}}); }

  // After `ln` onto a lower file with several names the upper holds the copied-up name and the new one; the other lower
  // names stay behind as another inode. Links them, so that all names are one file again. Returns whether any was.
  bool join_lower_names() {
    bool joined = false;
    for (const auto& [inode, members] : groups_) {
      const auto is_same = [](const Member& member) { return member.same; };
      if (std::all_of(members.begin(), members.end(), is_same)) {
        continue;
      }
      for (const auto& member : members) {
        if (!member.same || member.below.status.st_nlink < 2) {
          continue;
        }
        for (const auto& name : other_names_(member.below.lower, member.path)) {
          const auto other = lower_.find(name);
          if (other && other->lower == member.below.lower && other->status.st_ino == member.below.status.st_ino) {
            joined = link_lower_name(member.path, name) || joined;
          }
        }
      }
    }
    return joined;
  }

  bool link_lower_name(const std::string& path, const std::string& name) {
    if (look_at(upper_, name, mode_).kind != Look::Kind::nothing || !copy_up_parents(name)) {
      return false;
    }
    const std::string above = parent_of(name);
    const auto before = *stat_at(upper_, above);
    if (::linkat(upper_, path.c_str(), upper_, name.c_str(), 0) != 0) {
      throw system_error("link /" + path + " to /" + name);
    }
    set_mtime_at(upper_, above, before.st_mtim.tv_sec, before.st_mtim.tv_nsec);
    return true;
  }

  // False where the upper hides the parent's directory.
  bool copy_up_parents(const std::string& path) {
    const std::string directory = parent_of(path);
    if (directory.empty()) {
      return !is_opaque_at(upper_, "", mode_);
    }
    if (const auto look = look_at(upper_, directory, mode_); look.kind != Look::Kind::nothing) {
      return look.kind == Look::Kind::entry && S_ISDIR(look.status.st_mode) &&
             !is_opaque_at(upper_, directory, mode_) && copy_up_parents(directory);
    }
    if (!copy_up_parents(directory)) {
      return false;
    }
    const auto below = lower_.find(directory);
    if (::mkdirat(upper_, directory.c_str(), 0700) != 0) {
      throw system_error("create /" + directory);
    }
    set_metadata_at(upper_, directory, below->status, xattrs_at(lower_.root(below->lower), directory));
    set_mtime_at(upper_, directory, below->status.st_mtim.tv_sec, below->status.st_mtim.tv_nsec);
    return true;
  }

  // A group goes into the layer whole or not at all.
  void settle_groups() {
    for (const auto& [inode, members] : groups_) {
      const auto unchanged = [&](const Member& member) {
        return member.same && member.below.lower == members.front().below.lower &&
               member.below.status.st_ino == members.front().below.status.st_ino;
      };
      const bool drop = std::all_of(members.begin(), members.end(), unchanged);
      for (const auto& member : members) {
        if (drop) {
          unlink_at(upper_, member.path, false);
        } else if (member.same) {
          add(member.path, look_at(upper_, member.path, mode_).status);
        }
      }
    }
  }

  static void mark_hard_links(std::vector<Change>& sorted) {
    std::map<ino_t, std::string> first;
    for (auto& change : sorted) {
      if (change.whiteout || S_ISDIR(change.status.st_mode) || change.status.st_nlink < 2) {
        continue;
      }
      const auto [known, added] = first.emplace(change.status.st_ino, change.path);
      if (!added) {
        change.hard_link = known->second;
      }
    }
  }

  int upper_;
  LowerView& lower_;
  SnapshotMode mode_;
  bool ancestors_;
  const OtherNames& other_names_;
  std::vector<Change> changes_;
  std::map<ino_t, std::vector<Member>> groups_;
};

}  // namespace

std::vector<Change> find_changes(int upper, LowerView& lower, bool ancestors, const OtherNames& other_names) {
  return Scanner(upper, lower, ancestors, other_names).run();
}

}  // namespace dlc::store
