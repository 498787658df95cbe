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
#include <cstdio>
#include <memory>
#include <set>

#include "base/error.h"

namespace dlc::store {

namespace {

constexpr std::string_view kTrusted = "trusted.overlay.";
constexpr std::string_view kUser = "user.overlay.";
constexpr std::string_view kOurs = "user.dlc.";
constexpr const char* kDevice = "user.dlc.device";
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

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

// "c 1 3": the device that an empty file stands for.
std::string device_text(mode_t type, dev_t device) {
  return std::string(S_ISCHR(type) ? "c " : "b ") + std::to_string(major(device)) + " " + std::to_string(minor(device));
}

std::string whiteout_path(const std::string& path) {
  return join(parent_of(path), std::string(kWhiteout).append(name_of(path)));
}

// A device 0:0, or the newer form.
bool is_native_whiteout(const std::string& file, const struct stat& status) {
  if (S_ISCHR(status.st_mode)) {
    return status.st_rdev == makedev(0, 0);
  }
  return S_ISREG(status.st_mode) && status.st_size == 0 &&
         (get_xattr(file, "trusted.overlay.whiteout") || get_xattr(file, "user.overlay.whiteout"));
}

void make_mark_file(int root, const std::string& path) {
  UniqueFd mark = open_beneath(root, path, O_WRONLY | O_CREAT, 0600);
  mark.close(shown(path));
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

bool is_private_xattr(std::string_view name) {
  return name.starts_with(kTrusted) || name.starts_with(kUser) || name.starts_with(kOurs);
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
    if (is_private_xattr(name) || name == "security.selinux") {
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
    const int failed = errno;
    Error error = system_error("set the owner of " + shown(path), failed);
    if (failed == EINVAL) {  // an id that this user namespace has not
      error.hint("its owner is " + std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid) +
                 ", and the subordinate ids of /etc/subuid and /etc/subgid end before; 65536 are usual");
    }
    throw Error(error);
  }
  if (!S_ISLNK(status.st_mode) && ::fchmodat(root, at(path), status.st_mode & 07777, 0) != 0) {
    throw system_error("set the mode of " + shown(path));
  }
  for (const auto& [name, value] : xattrs) {
    set_xattr_at(root, path, name, value);
  }
}

void make_device_at(int root, const std::string& path, mode_t type, dev_t device) {
  if (::mknodat(root, path.c_str(), type | 0600, device) == 0) {
    return;
  }
  const int failed = errno;
  if (failed != EPERM || !(S_ISCHR(type) || S_ISBLK(type))) {
    throw system_error("create " + shown(path), failed);
  }
  UniqueFd file = open_beneath(root, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  file.close(shown(path));
  set_xattr_at(root, path, kDevice, device_text(type, device));
}

void take_device(const std::string& file, struct stat& status) {
  if (!S_ISREG(status.st_mode) || status.st_size != 0) {
    return;
  }
  const auto text = get_xattr(file, kDevice);
  unsigned device_major = 0;
  unsigned device_minor = 0;
  char type = 0;
  if (text && std::sscanf(text->c_str(), "%c %u %u", &type, &device_major, &device_minor) == 3) {
    status.st_mode = (status.st_mode & 07777U) | (type == 'c' ? S_IFCHR : S_IFBLK);
    status.st_rdev = makedev(device_major, device_minor);
  }
}

Look look_at(int root, const std::string& path, SnapshotMode mode) {
  auto status = stat_at(root, path);
  if (!status) {
    const bool gone = marks_are_files(mode) && !path.empty() && stat_at(root, whiteout_path(path));
    return {gone ? Look::Kind::whiteout : Look::Kind::nothing, {}};
  }
  const bool may_be_mark = S_ISCHR(status->st_mode) || (S_ISREG(status->st_mode) && status->st_size == 0);
  if (may_be_mark) {
    const std::string file = proc_path(root, path);
    if (!marks_are_files(mode) && is_native_whiteout(file, *status)) {
      return {Look::Kind::whiteout, {}};
    }
    if (mode != SnapshotMode::trusted) {
      take_device(file, *status);
    }
  }
  return {Look::Kind::entry, *status};
}

std::vector<std::string> list_names_at(int root, const std::string& directory, SnapshotMode mode) {
  auto names = list_at(root, directory);
  if (!marks_are_files(mode)) {
    return names;
  }
  std::erase(names, kOpaque);
  for (auto& name : names) {
    if (name.starts_with(kWhiteout)) {
      name.erase(0, kWhiteout.size());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void make_whiteout_at(int root, const std::string& path, SnapshotMode mode) {
  if (marks_are_files(mode)) {
    make_mark_file(root, whiteout_path(path));
  } else if (::mknodat(root, path.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
    throw system_error("make a whiteout for " + shown(path));
  }
}

void remove_whiteout_at(int root, const std::string& path, SnapshotMode mode) {
  unlink_at(root, marks_are_files(mode) ? whiteout_path(path) : path, false);
}

bool is_opaque_at(int root, const std::string& path, SnapshotMode mode) {
  if (marks_are_files(mode)) {
    return stat_at(root, join(path, kOpaque)).has_value();
  }
  const std::string file = proc_path(root, path);
  return get_xattr(file, "trusted.overlay.opaque") == "y" || get_xattr(file, "user.overlay.opaque") == "y";
}

void make_opaque_at(int root, const std::string& path, SnapshotMode mode) {
  if (marks_are_files(mode)) {
    make_mark_file(root, join(path, kOpaque));
    return;
  }
  set_xattr_at(root, path, mode == SnapshotMode::trusted ? "trusted.overlay.opaque" : "user.overlay.opaque", "y");
}

LowerView::LowerView(const std::vector<std::filesystem::path>& directories, SnapshotMode mode) : mode_(mode) {
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
      if (is_opaque_at(roots_[i].get(), "", mode_)) {
        break;
      }
    }
  } else {
    const auto above = contributors(parent_of(directory));  // a copy: the map may grow
    for (const std::size_t lower : above) {
      const int root = roots_[lower].get();
      const auto look = look_at(root, directory, mode_);
      if (look.kind == Look::Kind::nothing) {
        continue;
      }
      if (look.kind == Look::Kind::whiteout || !S_ISDIR(look.status.st_mode)) {
        break;  // a file or whiteout here ends the merge
      }
      result.push_back(lower);
      if (is_opaque_at(root, directory, mode_)) {
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
    const auto look = look_at(roots_[lower].get(), path, mode_);
    if (look.kind == Look::Kind::entry) {
      return Found{lower, look.status};
    }
    if (look.kind == Look::Kind::whiteout) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::vector<std::string> LowerView::list(const std::string& directory) {
  std::set<std::string> names;
  std::set<std::string> hidden;
  for (const std::size_t lower : contributors(directory)) {
    const int root = roots_[lower].get();
    for (auto& name : list_names_at(root, directory, mode_)) {
      if (hidden.contains(name) || names.contains(name)) {
        continue;
      }
      if (look_at(root, join(directory, name), mode_).kind == Look::Kind::whiteout) {
        hidden.insert(std::move(name));
      } else {
        names.insert(std::move(name));
      }
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace dlc::store
