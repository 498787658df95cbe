#include "store/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "base/error.h"

namespace dlc::store {

namespace {

constexpr std::string_view kTrusted = "trusted.overlay.";
constexpr std::string_view kUser = "user.overlay.";

// The *xattr calls have no *at form for symbolic links and special files; the final component is not followed.
std::string proc_path(int root, const std::string& path) {
  return "/proc/self/fd/" + std::to_string(root) + (path.empty() ? "/." : "/" + path);
}

const char* at(const std::string& path) {
  return path.empty() ? "." : path.c_str();
}

std::string shown(const std::string& path) {
  return "/" + path;
}

std::optional<std::string> get_xattr(const std::string& file, const std::string& name) {
  std::string value(256, '\0');
  while (true) {
    const ssize_t size = ::lgetxattr(file.c_str(), name.c_str(), value.data(), value.size());
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      return value;
    }
    if (errno != ERANGE) {
      return std::nullopt;
    }
    value.resize(value.size() * 4);
  }
}

// Revision 3 carries the user namespace's root id; layers hold revision 2 (docs/engine.md, "Running a step").
std::string normalised_capability(std::string value) {
  constexpr std::size_t kRevision3Size = 24;
  constexpr std::size_t kRevision2Size = 20;
  if (value.size() == kRevision3Size && value[3] == 3) {
    value.resize(kRevision2Size);
    value[3] = 2;
  }
  return value;
}

}  // namespace

std::string parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

std::string_view name_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty()) {
    path += '/';
  }
  return path.append(name);
}

std::optional<struct stat> stat_at(int root, const std::string& path) {
  struct stat status{};
  if (::fstatat(root, at(path), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return status;
  }
  if (errno == ENOENT || errno == ENOTDIR) {
    return std::nullopt;
  }
  throw system_error("stat " + shown(path));
}

UniqueFd open_beneath(int root, const std::string& path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  while (true) {
    const long fd = ::syscall(SYS_openat2, root, at(path), &how, sizeof how);
    if (fd >= 0) {
      return UniqueFd(static_cast<int>(fd));
    }
    if (errno != EINTR && errno != EAGAIN) {
      throw system_error("open " + shown(path));
    }
  }
}

std::string read_link_at(int root, const std::string& path) {
  std::string target(4096, '\0');
  const ssize_t size = ::readlinkat(root, path.c_str(), target.data(), target.size());
  if (size < 0) {
    throw system_error("read link " + shown(path));
  }
  target.resize(static_cast<std::size_t>(size));
  return target;
}

std::vector<std::string> list_at(int root, const std::string& path) {
  UniqueFd fd = open_beneath(root, path, O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (!stream) {
    throw system_error("read directory " + shown(path));
  }
  (void)fd.release();  // the stream owns it now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
    errno = 0;
  }
  if (errno != 0) {
    throw system_error("read directory " + shown(path));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void set_mtime_at(int root, const std::string& path, std::int64_t seconds, std::int64_t nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  if (::utimensat(root, at(path), times, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("set the time of " + shown(path));
  }
}

void unlink_at(int root, const std::string& path, bool directory) {
  if (::unlinkat(root, path.c_str(), directory ? AT_REMOVEDIR : 0) != 0) {
    throw system_error("remove " + shown(path));
  }
}

bool is_overlay_xattr(std::string_view name) {
  return name.starts_with(kTrusted) || name.starts_with(kUser);
}

Xattrs xattrs_at(int root, const std::string& path) {
  const std::string file = proc_path(root, path);
  std::string names(1024, '\0');
  while (true) {
    const ssize_t size = ::llistxattr(file.c_str(), names.data(), names.size());
    if (size >= 0) {
      names.resize(static_cast<std::size_t>(size));
      break;
    }
    if (errno == ENOTSUP) {
      return {};
    }
    if (errno != ERANGE) {
      throw system_error("list the extended attributes of " + shown(path));
    }
    names.resize(names.size() * 4);
  }
  Xattrs result;
  for (std::size_t begin = 0; begin < names.size();) {
    const std::string name(names.c_str() + begin);
    begin += name.size() + 1;
    if (is_overlay_xattr(name) || name == "security.selinux") {
      continue;
    }
    if (auto value = get_xattr(file, name)) {
      result[name] = name == "security.capability" ? normalised_capability(std::move(*value)) : std::move(*value);
    }
  }
  return result;
}

void set_xattr_at(int root, const std::string& path, const std::string& name, std::string_view value) {
  if (::lsetxattr(proc_path(root, path).c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
    throw system_error("set attribute " + name + " of " + shown(path));
  }
}

void set_metadata_at(int root, const std::string& path, const struct stat& status, const Xattrs& xattrs) {
  if (::fchownat(root, at(path), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("set the owner of " + shown(path));
  }
  if (!S_ISLNK(status.st_mode) && ::fchmodat(root, at(path), status.st_mode & 07777, 0) != 0) {
    throw system_error("set the mode of " + shown(path));
  }
  for (const auto& [name, value] : xattrs) {
    set_xattr_at(root, path, name, value);
  }
}

bool is_whiteout_at(int root, const std::string& path, const struct stat& status) {
  if (S_ISCHR(status.st_mode)) {
    return status.st_rdev == makedev(0, 0);
  }
  if (!S_ISREG(status.st_mode) || status.st_size != 0) {
    return false;
  }
  const std::string file = proc_path(root, path);
  return get_xattr(file, "trusted.overlay.whiteout") || get_xattr(file, "user.overlay.whiteout");
}

void make_whiteout_at(int root, const std::string& path) {
  if (::mknodat(root, path.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
    throw system_error("make a whiteout for " + shown(path));
  }
}

bool is_opaque_at(int root, const std::string& path) {
  const std::string file = proc_path(root, path);
  return get_xattr(file, "trusted.overlay.opaque") == "y" || get_xattr(file, "user.overlay.opaque") == "y";
}

void make_opaque_at(int root, const std::string& path) {
  set_xattr_at(root, path, ::geteuid() == 0 ? "trusted.overlay.opaque" : "user.overlay.opaque", "y");
}

LowerView::LowerView(const std::vector<std::filesystem::path>& directories) {
  for (const auto& directory : directories) {
    roots_.push_back(open_file(directory.string(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }
}

const std::vector<std::size_t>& LowerView::contributors(const std::string& directory) {
  if (const auto known = known_.find(directory); known != known_.end()) {
    return known->second;
  }
  std::vector<std::size_t> result;
  if (directory.empty()) {
    for (std::size_t i = 0; i < roots_.size(); ++i) {
      result.push_back(i);
      if (is_opaque_at(roots_[i].get(), "")) {
        break;
      }
    }
  } else {
    const auto above = contributors(parent_of(directory));  // a copy: the map may grow
    for (const std::size_t lower : above) {
      const int root = roots_[lower].get();
      const auto status = stat_at(root, directory);
      if (!status) {
        continue;
      }
      if (!S_ISDIR(status->st_mode)) {
        break;  // a file or whiteout here ends the merge
      }
      result.push_back(lower);
      if (is_opaque_at(root, directory)) {
        break;
      }
    }
  }
  return known_.emplace(directory, std::move(result)).first->second;
}

std::optional<LowerView::Found> LowerView::find(const std::string& path) {
  if (path.empty()) {
    return roots_.empty() ? std::nullopt : std::optional<Found>({0, *stat_at(roots_.front().get(), "")});
  }
  for (const std::size_t lower : contributors(parent_of(path))) {
    const int root = roots_[lower].get();
    const auto status = stat_at(root, path);
    if (!status) {
      continue;
    }
    if (is_whiteout_at(root, path, *status)) {
      return std::nullopt;
    }
    return Found{lower, *status};
  }
  return std::nullopt;
}

std::vector<std::string> LowerView::list(const std::string& directory) {
  std::set<std::string> names;
  std::set<std::string> hidden;
  for (const std::size_t lower : contributors(directory)) {
    const int root = roots_[lower].get();
    for (auto& name : list_at(root, directory)) {
      if (hidden.contains(name) || names.contains(name)) {
        continue;
      }
      const auto path = join(directory, name);
      if (is_whiteout_at(root, path, *stat_at(root, path))) {
        hidden.insert(std::move(name));
      } else {
        names.insert(std::move(name));
      }
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace dlc::store
