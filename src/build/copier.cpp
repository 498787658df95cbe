#include "build/copier.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "dockerfile/ignore.h"
#include "store/tree.h"

namespace dlc::build {

Copier::Copier(const RootTree& root, CopyStyle style) : root_(root), style_(std::move(style)) {}

std::string Copier::make_directories(std::string_view path) {
  auto resolved = resolve(root_, path, Missing::keep).value();
  std::string done;
  std::string_view rest = resolved;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    done = join(done, rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    if (::mkdirat(root_.fd(), done.c_str(), 0755) == 0) {
      const auto mode = style_.mode ? style_.mode->of_made_directory() : 0755;
      if (::fchmodat(root_.fd(), done.c_str(), mode, 0) != 0) {  // whatever the umask
        throw system_error("chmod /" + done);
      }
      const auto owner = style_.owner.value_or(std::pair(0U, 0U));
      if (::fchownat(root_.fd(), done.c_str(), owner.first, owner.second, AT_SYMLINK_NOFOLLOW) != 0) {
        throw system_error("chown /" + done);
      }
      continue;
    }
    const int failed = errno;
    const auto node = failed == EEXIST ? root_.lstat(done) : std::nullopt;
    if (!node) {
      throw system_error("create the directory /" + done, failed);
    }
    if (node->type != Node::Type::directory) {
      throw Error(ErrorKind::invalid, "cannot copy to non-directory: /" + done);
    }
  }
  return resolved;
}

std::string Copier::place_file(std::string_view name, std::string_view dest, bool directory) {
  const auto resolved = resolve(root_, dest, Missing::keep).value();
  const auto node = root_.lstat(resolved);
  if (node && node->type == Node::Type::directory) {
    return join(resolved, name);
  }
  if (directory) {
    return join(make_directories(dest), name);
  }
  make_directories(parent_path(resolved));
  return resolved;
}

void Copier::claim(const std::string& path, const std::string& source) {
  const auto [place, fresh] = claimed_.try_emplace(path, source);
  if (!fresh && place->second != source) {
    throw Error(ErrorKind::invalid,
                "cannot copy both /" + place->second + " and /" + source + " onto the file /" + path)
        .hint("end the destination with a slash to copy them into a directory");
  }
}

void Copier::copy(const Tree& from, const Selected& source, std::string_view dest, bool directory) {
  links_.clear();
  if (source.with_parents) {
    copy_below(from, source, dest);
    return;
  }
  if (source.node.type == Node::Type::directory) {
    const std::string target(dest);
    // As in BuildKit a destination with a trailing slash is made first, and so does not take the source's attributes.
    make_directories(directory ? std::string_view(target) : parent_path(clean_relative(target)));
    const auto resolved = resolve(root_, target, Missing::keep).value();
    copy_node(from, source.path, "", source.node, resolved, true);
    return;
  }
  const auto name = base_name(source.name);
  if (style_.excludes != nullptr && style_.excludes->ignored(name)) {
    return;
  }
  const auto place = place_file(name, dest, directory);
  claim(place, source.path);
  copy_node(from, source.path, "", source.node, place, true);
}

/// --parents: the directories from the pivot down are made as they are in the source, and a directory keeps its name.
void Copier::copy_below(const Tree& from, const Selected& source, std::string_view dest) {
  const auto relative = join(source.parent, base_name(source.name));
  const bool is_directory = source.node.type == Node::Type::directory;
  if (style_.excludes != nullptr && style_.excludes->ignored(relative) &&
      !(is_directory && style_.excludes->may_contain_included(relative))) {
    return;
  }
  auto place = make_directories(dest);
  auto origin = source.pivot;
  for (std::string_view rest = source.parent; !rest.empty();) {
    const auto name = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    place = join(place, name);
    origin = join(origin, name);
    if (const auto there = root_.lstat(place)) {
      if (there->type != Node::Type::directory) {
        throw Error(ErrorKind::invalid, "cannot copy to non-directory: /" + place);
      }
      continue;
    }
    const auto path = resolve(from, origin, Missing::fail);
    const auto node = path ? from.lstat(*path) : std::nullopt;
    if (!node) {
      throw not_found(from, origin);
    }
    if (::mkdirat(root_.fd(), place.c_str(), 0755) != 0) {
      throw system_error("create the directory /" + place);
    }
    set_attributes(from, *path, *node, place);
  }
  place = join(place, base_name(source.name));
  if (!is_directory) {
    claim(place, source.path);
  }
  copy_node(from, source.path, relative, source.node, place, source.name.empty());
}

void Copier::write_file(std::string_view name, std::string_view data, std::string_view dest, bool directory) {
  const auto place = place_file(name, dest, directory);
  clear_place(place);
  UniqueFd out = open_at(root_.fd(), place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  ::dlc::write_full(out.get(), data, place);
  const auto owner = style_.owner.value_or(std::pair(0U, 0U));
  const auto mode = style_.mode ? style_.mode->apply(0644, false) : 0644;
  if (::fchown(out.get(), owner.first, owner.second) != 0 || ::fchmod(out.get(), mode) != 0) {
    throw system_error("set the owner and mode of /" + place);
  }
  out.close(place);
}

void Copier::clear_place(const std::string& dest) {
  const auto there = root_.lstat(dest);
  if (!there) {
    return;
  }
  if (there->type == Node::Type::directory) {
    throw Error(ErrorKind::invalid, "cannot copy a file onto the directory /" + dest);
  }
  if (::unlinkat(root_.fd(), dest.c_str(), 0) != 0) {
    throw system_error("replace /" + dest);
  }
}

void Copier::copy_node(const Tree& from, const std::string& source, const std::string& relative, const Node& node,
                       const std::string& dest, bool top) {
  if (node.type == Node::Type::directory) {
    copy_directory(from, source, relative, node, dest, top);
    return;
  }
  if (node.type == Node::Type::socket) {
    return;  // an image cannot hold one
  }
  clear_place(dest);
  if (node.links > 1) {
    const auto [first, fresh] = links_.try_emplace({node.device, node.inode}, dest);
    if (!fresh) {
      if (::linkat(root_.fd(), first->second.c_str(), root_.fd(), dest.c_str(), 0) != 0) {
        throw system_error("link /" + dest);
      }
      return;
    }
  }
  if (node.type == Node::Type::file) {
    copy_content(from, source, node, dest);
  } else {
    make_special(from, source, node, dest);
  }
  set_attributes(from, source, node, dest);
}

void Copier::copy_directory(const Tree& from, const std::string& source, const std::string& relative, const Node& node,
                            const std::string& dest, bool top) {
  const auto there = root_.lstat(dest);
  if (there && there->type != Node::Type::directory) {
    throw Error(ErrorKind::invalid, "cannot copy to non-directory: /" + dest);
  }
  const bool excluded = style_.excludes != nullptr && !relative.empty() && style_.excludes->ignored(relative);
  bool made = false;
  const auto make = [&] {
    if (!there && !made && !dest.empty()) {
      if ((::mkdirat(root_.fd(), dest.c_str(), 0755) != 0 && errno != EEXIST) ||
          ::fchmodat(root_.fd(), dest.c_str(), 0755, 0) != 0) {
        throw system_error("create the directory /" + dest);
      }
      made = true;
    }
  };
  if (!excluded) {
    make();
  }
  for (const auto& name : from.list(source)) {
    const auto child = join(source, name);
    const auto child_relative = join(relative, name);
    const auto child_node = from.lstat(child);
    if (!child_node) {
      continue;
    }
    const bool child_excluded = style_.excludes != nullptr && style_.excludes->ignored(child_relative);
    const bool enter = child_node->type == Node::Type::directory &&
                       (!child_excluded || style_.excludes->may_contain_included(child_relative));
    if (child_excluded && !enter) {
      continue;
    }
    if (!child_excluded) {
      make();
    }
    copy_node(from, child, child_relative, *child_node, join(dest, name), false);
  }
  // The destination that was there keeps its own attributes; directories below it take the source's, as BuildKit's.
  if (!excluded && (made || !top)) {
    set_attributes(from, source, node, dest);
  }
}

void Copier::copy_content(const Tree& from, const std::string& source, const Node& node, const std::string& dest) {
  const UniqueFd in = from.open(source);
  UniqueFd out = open_at(root_.fd(), dest, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  std::uint64_t done = 0;
  bool kernel_copy = true;
  std::vector<std::byte> buffer;
  while (true) {
    if (kernel_copy) {
      constexpr std::size_t kChunk = 1U << 30;
      const ssize_t count = ::copy_file_range(in.get(), nullptr, out.get(), nullptr, kChunk, 0);
      if (count > 0) {
        done += static_cast<std::uint64_t>(count);
        continue;
      }
      if (count == 0 && done >= node.size) {
        break;
      }
      kernel_copy = false;  // another file system, or one that cannot: by hand from where it stopped
      buffer.resize(1 << 18);
    }
    const auto count = read_full(in.get(), buffer, source);
    ::dlc::write_full(out.get(), std::span(buffer).first(count), dest);
    if (count < buffer.size()) {
      break;
    }
  }
  out.close(dest);
}

void Copier::make_special(const Tree& from, const std::string& source, const Node& node, const std::string& dest) {
  if (node.type != Node::Type::symlink) {
    const mode_t type = node.type == Node::Type::fifo        ? S_IFIFO
                        : node.type == Node::Type::character ? S_IFCHR
                                                             : S_IFBLK;
    store::make_device_at(root_.fd(), dest, type, makedev(node.major, node.minor));
  } else if (::symlinkat(from.read_link(source).c_str(), root_.fd(), dest.c_str()) != 0) {
    throw system_error("create /" + dest);
  }
}

void Copier::set_attributes(const Tree& from, const std::string& source, const Node& node, const std::string& dest) {
  const char* path = dest.empty() ? "." : dest.c_str();
  const auto owner = style_.owner.value_or(std::pair(node.uid, node.gid));
  if (::fchownat(root_.fd(), path, owner.first, owner.second, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("chown /" + dest);
  }
  if (node.type != Node::Type::symlink) {
    const auto mode = style_.mode ? style_.mode->apply(node.mode, node.type == Node::Type::directory) : node.mode;
    if (::fchmodat(root_.fd(), path, mode, 0) != 0) {
      throw system_error("chmod /" + dest);
    }
  }
  const std::string full = "/proc/self/fd/" + std::to_string(root_.fd()) + "/" + dest;
  for (const auto& [name, value] : from.xattrs(source)) {
    if (::lsetxattr(full.c_str(), name.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP) {
      throw system_error("set the attribute " + name + " of /" + dest);
    }
  }
  const std::array<timespec, 2> times{timespec{.tv_sec = node.mtime, .tv_nsec = static_cast<long>(node.mtime_nsec)},
                                      timespec{.tv_sec = node.mtime, .tv_nsec = static_cast<long>(node.mtime_nsec)}};
  if (::utimensat(root_.fd(), path, times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error("set the time of /" + dest);
  }
}

}  // namespace dlc::build
