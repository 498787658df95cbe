#include "sandbox/mount_points.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <deque>

#include "base/error.h"
#include "sandbox/below.h"

namespace dlc::sandbox {

namespace {

constexpr int kMostLinks = 40;

std::deque<std::string> components(std::string_view path) {
  std::deque<std::string> result;
  while (!path.empty()) {
    const auto end = path.find('/');
    const auto part = path.substr(0, end);
    if (!part.empty() && part != ".") {
      result.emplace_back(part);
    }
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
  }
  return result;
}

std::string join(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "/" + name;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool same_directory(const struct stat& a, const struct stat& b) {
  return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid && same_time(a.st_mtim, b.st_mtim);
}

void set_times(int directory, const timespec& accessed, const timespec& modified) {
  const std::array<timespec, 2> times{accessed, modified};
  ::futimens(directory, times.data());
}

bool is_opaque(int directory) {
  return ::fgetxattr(directory, "trusted.overlay.opaque", nullptr, 0) >= 0 ||
         ::fgetxattr(directory, "user.overlay.opaque", nullptr, 0) >= 0;
}

std::string read_link(int parent, const std::string& name) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlinkat(parent, name.c_str(), target.data(), target.size());
  if (length < 0) {
    throw system_error("read the link " + name + " in the image");
  }
  return {target.data(), static_cast<std::size_t>(length)};
}

[[noreturn]] void wrong_type(std::string_view target, const char* wanted) {
  throw Error(ErrorKind::invalid, std::string("cannot mount on ").append(target) + ": it is not " + wanted);
}

}  // namespace

std::string MountPoints::make(std::string_view target, bool directory) {
  return walk(target, directory, nullptr);
}

std::string MountPoints::make_lasting_directory(std::string_view target, uid_t uid, gid_t gid) {
  const Owner owner{.uid = uid, .gid = gid};
  return walk(target, true, &owner);
}

std::string MountPoints::walk(std::string_view target, bool directory, const Owner* lasting) {
  // One component at a time, each opened without following links: the path held in `places` is where we really are.
  std::vector<std::pair<std::string, UniqueFd>> places;
  places.emplace_back("", open_at(root_, ".", O_PATH | O_DIRECTORY));
  auto rest = components(target);
  int links = 0;
  while (!rest.empty()) {
    const std::string name = rest.front();
    rest.pop_front();
    if (name == "..") {
      if (places.size() > 1) {
        places.pop_back();
      }
      continue;
    }
    const int parent = places.back().second.get();
    const std::string path = join(places.back().first, name);
    struct stat status{};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) {
        throw system_error("look up " + path + " in the image");
      }
      create(parent, places.back().first, name, directory || !rest.empty(), lasting);
      if (!directory && rest.empty()) {
        return "/" + path;
      }
    } else if (S_ISLNK(status.st_mode)) {
      if (++links > kMostLinks) {
        throw system_error("look up " + path + " in the image", ELOOP);
      }
      const auto link = read_link(parent, name);
      if (link.starts_with('/')) {
        places.resize(1);
      }
      auto more = components(link);
      rest.insert(rest.begin(), more.begin(), more.end());
      continue;
    } else if (!directory && rest.empty()) {
      if (S_ISDIR(status.st_mode)) {
        wrong_type(target, "a file");
      }
      return "/" + path;
    } else if (!S_ISDIR(status.st_mode)) {
      wrong_type(target, "a directory");
    }
    places.emplace_back(path, open_at(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  }
  if (!directory) {
    wrong_type(target, "a file");
  }
  return "/" + places.back().first;
}

void MountPoints::note_ancestors(const std::string& path) {
  std::string at = path;
  while (true) {
    bool ours = false;
    for (const auto& made : made_) {
      ours = ours || made.path == at;
    }
    if (!ours && !ancestors_.contains(at)) {
      Ancestor ancestor;
      struct stat upper{};
      if (::fstatat(root_, at.empty() ? "." : at.c_str(), &ancestor.before, AT_SYMLINK_NOFOLLOW) == 0) {
        ancestor.in_upper = at.empty() || ::lstat((upper_ / at).c_str(), &upper) == 0;
        ancestors_.emplace(at, ancestor);
      }
    }
    if (at.empty()) {
      return;
    }
    at = split_path(at).first;
  }
}

void MountPoints::create(int parent, const std::string& parent_path, const std::string& name, bool directory,
                         const Owner* lasting) {
  const std::string path = join(parent_path, name);
  if (lasting == nullptr) {
    note_ancestors(parent_path);
  }
  // The modes are set afterwards: this process's umask is the user's.
  if (directory) {
    if (::mkdirat(parent, name.c_str(), 0755) != 0 || ::fchmodat(parent, name.c_str(), 0755, 0) != 0) {
      throw system_error("make " + path + " in the container");
    }
  } else {
    const UniqueFd file = open_at(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0644);
    ::fchmod(file.get(), 0644);
  }
  if (lasting != nullptr) {
    if (::fchownat(parent, name.c_str(), lasting->uid, lasting->gid, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error("chown " + path + " in the container");
    }
    return;
  }
  made_.push_back({path, directory});
  for (auto& [at, ancestor] : ancestors_) {
    ::fstatat(root_, at.empty() ? "." : at.c_str(), &ancestor.after, AT_SYMLINK_NOFOLLOW);
  }
}

void MountPoints::remove_entry(const std::string& path, bool directory, bool only_pristine) {
  const UniqueFd upper = open_file(upper_.string(), O_PATH | O_DIRECTORY);
  const auto [parent_path, name] = split_path(path);
  const UniqueFd parent = open_below(upper.get(), parent_path, O_DIRECTORY | O_RDONLY);
  struct stat status{};
  if (!parent || ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return;
  }
  if (directory ? !S_ISDIR(status.st_mode) : !(S_ISREG(status.st_mode) && status.st_size == 0)) {
    return;
  }
  if (only_pristine) {
    const UniqueFd self = open_below(upper.get(), path, O_DIRECTORY | O_RDONLY);
    if (!self || is_opaque(self.get()) || !same_directory(status, ancestors_.at(path).before)) {
      return;
    }
  }
  remove_below(upper.get(), path, directory);
}

void MountPoints::remove() {
  const UniqueFd upper = open_file(upper_.string(), O_PATH | O_DIRECTORY);
  for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
    remove_entry(made->path, made->directory, false);
  }
  made_.clear();
  // A directory whose time is still the one that our own entry gave it was not changed by the step.
  for (const auto& [path, ancestor] : ancestors_) {
    const UniqueFd directory = open_below(upper.get(), path, O_DIRECTORY | O_RDONLY);
    struct stat status{};
    if (directory && ::fstat(directory.get(), &status) == 0 && same_time(status.st_mtim, ancestor.after.st_mtim)) {
      set_times(directory.get(), ancestor.before.st_atim, ancestor.before.st_mtim);
    }
  }
  // Deepest first: sorted paths put a directory before what is in it.
  for (auto ancestor = ancestors_.rbegin(); ancestor != ancestors_.rend(); ++ancestor) {
    if (!ancestor->second.in_upper) {
      remove_entry(ancestor->first, true, true);
    }
  }
  ancestors_.clear();
}

}  // namespace dlc::sandbox
