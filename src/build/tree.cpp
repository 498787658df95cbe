#include "build/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <deque>

#include "base/error.h"

namespace dlc::build {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel

void split_into_front(std::deque<std::string>& parts, std::string_view path) {
  std::vector<std::string> fresh;
  while (!path.empty()) {
    const auto end = path.find('/');
    const auto part = path.substr(0, end);
    if (!part.empty() && part != ".") {
      fresh.emplace_back(part);
    }
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
  }
  parts.insert(parts.begin(), fresh.begin(), fresh.end());
}

}  // namespace

std::string join(std::string_view parent, std::string_view name) {
  if (parent.empty()) {
    return std::string(name);
  }
  if (name.empty()) {
    return std::string(parent);
  }
  return std::string(parent).append("/").append(name);
}

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_path(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string clean_relative(std::string_view path) {
  std::deque<std::string> parts;
  split_into_front(parts, path);
  std::string result;
  for (const auto& part : parts) {
    if (part == "..") {
      result = std::string(parent_path(result));
    } else {
      result = join(result, part);
    }
  }
  return result;
}

std::optional<std::string> resolve(const Tree& tree, std::string_view path, Missing missing) {
  std::deque<std::string> rest;
  split_into_front(rest, path);
  std::string done;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.front());
    rest.pop_front();
    if (part == "..") {
      done = std::string(parent_path(done));
      continue;
    }
    std::string next = join(done, part);
    const auto node = tree.lstat(next);
    if (!node) {
      if (missing == Missing::fail) {
        return std::nullopt;
      }
      done = std::move(next);  // below it nothing exists either: lstat of children fails in the same way
      continue;
    }
    if (node->type == Node::Type::symlink) {
      if (++links > kMaxLinks) {
        throw Error(ErrorKind::invalid, "too many levels of symbolic links: /" + std::string(path));
      }
      const std::string target = tree.read_link(next);
      if (!target.empty() && target.front() == '/') {
        done.clear();
      }
      split_into_front(rest, target);
      continue;
    }
    if (!rest.empty() && node->type != Node::Type::directory) {
      if (missing == Missing::fail) {
        return std::nullopt;
      }
      throw Error(ErrorKind::invalid, "/" + next + " is not a directory");
    }
    done = std::move(next);
  }
  return done;
}

namespace {

Node::Type type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return Node::Type::directory;
    case S_IFLNK:
      return Node::Type::symlink;
    case S_IFCHR:
      return Node::Type::character;
    case S_IFBLK:
      return Node::Type::block;
    case S_IFIFO:
      return Node::Type::fifo;
    case S_IFSOCK:
      return Node::Type::socket;
    default:
      return Node::Type::file;
  }
}

}  // namespace

std::optional<Node> stat_node(int dir, const std::string& path) {
  struct stat status{};
  if (::fstatat(dir, path.empty() ? "." : path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::nullopt;
    }
    throw system_error("stat " + path);
  }
  constexpr std::int64_t kNano = 1'000'000'000;
  Node node;
  node.type = type_of(status.st_mode);
  node.mode = status.st_mode & 07777;
  node.uid = status.st_uid;
  node.gid = status.st_gid;
  node.size = node.type == Node::Type::file ? static_cast<std::uint64_t>(status.st_size) : 0;
  node.mtime = status.st_mtim.tv_sec;
  node.mtime_nsec = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  node.major = major(status.st_rdev);
  node.minor = minor(status.st_rdev);
  node.device = status.st_dev;
  node.inode = status.st_ino;
  node.links = status.st_nlink;
  node.ctime_ns = status.st_ctim.tv_sec * kNano + status.st_ctim.tv_nsec;
  return node;
}

std::map<std::string, std::string> read_xattrs(int dir, const std::string& path) {
  // There is no lgetxattrat: go through the descriptor's own path.
  const std::string full = "/proc/self/fd/" + std::to_string(dir) + "/" + path;
  std::map<std::string, std::string> result;
  std::string names(4096, '\0');
  ssize_t length = ::llistxattr(full.c_str(), names.data(), names.size());
  if (length < 0 && errno == ERANGE) {
    names.resize(65536);
    length = ::llistxattr(full.c_str(), names.data(), names.size());
  }
  if (length <= 0) {
    return result;  // none, or a file system without them
  }
  for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
    const std::string name(names.c_str() + at);
    at += name.size() + 1;
    const bool overlay = name.find(".overlay.") != std::string::npos;
    if (overlay || name == "security.selinux" || name.starts_with("trusted.")) {
      continue;
    }
    std::string value(65536, '\0');
    const ssize_t size = ::lgetxattr(full.c_str(), name.c_str(), value.data(), value.size());
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      result.emplace(name, std::move(value));
    }
  }
  return result;
}

}  // namespace dlc::build
