#include "build/unpack_archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "codec/compression.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "store/tree.h"

namespace dlc::build {

namespace {

using codec::TarEntry;

class Unpacker {
 public:
  Unpacker(const RootTree& root, const std::string& dest, std::optional<std::pair<std::uint32_t, std::uint32_t>> owner)
      : tree_("/proc/self/fd/" + std::to_string(root.fd()) + "/" + dest), owner_(std::move(owner)) {}

  void unpack(codec::TarReader& tar, TarEntry entry) {
    std::optional<TarEntry> current(std::move(entry));
    while (current) {
      place(tar, *current);
      current = tar.next();
    }
    for (auto late = directories_.rbegin(); late != directories_.rend(); ++late) {
      set_time(late->first, late->second);
    }
  }

 private:
  /// The entry's place below the root, its parents made; no last component is followed.
  std::string resolve_place(const std::string& path) {
    const auto clean = clean_relative(path);
    const auto parent = std::string(parent_path(clean));
    std::string done;
    std::string_view rest = parent;
    while (!rest.empty()) {
      const auto slash = rest.find('/');
      const auto next = join(done, rest.substr(0, slash));
      rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
      if (!tree_.lstat(next) &&
          (::mkdirat(tree_.fd(), next.c_str(), 0755) != 0 || ::fchmodat(tree_.fd(), next.c_str(), 0755, 0) != 0)) {
        throw system_error("create the directory " + next);
      }
      const auto resolved = resolve(tree_, next, Missing::fail);
      if (!resolved) {
        throw Error(ErrorKind::invalid, "cannot unpack " + path + ": " + next + " is a link that leads nowhere");
      }
      done = *resolved;
    }
    return join(done, base_name(clean));
  }

  void place(codec::TarReader& tar, const TarEntry& entry) {
    const auto place = resolve_place(entry.path);
    if (base_name(place).starts_with(".wh.")) {
      // In a layer this name would delete its neighbour; do so at once, so that the step sees what the image holds.
      const auto victim = join(parent_path(place), base_name(place).substr(4));
      if (!base_name(victim).empty() && tree_.lstat(victim)) {
        remove_tree("/proc/self/fd/" + std::to_string(tree_.fd()) + "/" + victim);
      }
      return;
    }
    const auto there = tree_.lstat(place);
    const bool directory = entry.type == TarEntry::Type::directory;
    if (place.empty() && !directory) {
      throw Error(ErrorKind::invalid, "the archive replaces its own root by a file");
    }
    if (there && !(directory && there->type == Node::Type::directory)) {
      remove_tree("/proc/self/fd/" + std::to_string(tree_.fd()) + "/" + place);
    }
    make(tar, entry, place);
    if (entry.type != TarEntry::Type::hard_link) {
      set_attributes(entry, place);
    }
  }

  void make(codec::TarReader& tar, const TarEntry& entry, const std::string& place) {
    int failed = 0;
    switch (entry.type) {
      case TarEntry::Type::file:
        write_content(tar, place);
        break;
      case TarEntry::Type::directory:
        failed = place.empty() || ::mkdirat(tree_.fd(), place.c_str(), 0700) == 0 || errno == EEXIST ? 0 : -1;
        directories_.emplace_back(place, entry);
        break;
      case TarEntry::Type::symlink:
        failed = ::symlinkat(entry.link.c_str(), tree_.fd(), place.c_str());
        break;
      case TarEntry::Type::hard_link:
        failed = link(entry, place);
        break;
      case TarEntry::Type::fifo:
        failed = ::mknodat(tree_.fd(), place.c_str(), S_IFIFO | 0600, 0);
        break;
      case TarEntry::Type::character:
      case TarEntry::Type::block:
        store::make_device_at(tree_.fd(), place, entry.type == TarEntry::Type::character ? S_IFCHR : S_IFBLK,
                              makedev(entry.major, entry.minor));
        break;
    }
    if (failed != 0) {
      throw system_error("unpack " + entry.path);
    }
  }

  int link(const TarEntry& entry, const std::string& place) {
    if (clean_relative(entry.link) != clean_relative("x/../" + entry.link) ||
        entry.link.find("..") != std::string::npos) {
      throw Error(ErrorKind::invalid,
                  "invalid hard link \"" + entry.path + "\" -> \"" + entry.link + "\" in the archive");
    }
    const auto parent = resolve(tree_, parent_path(clean_relative(entry.link)), Missing::fail);
    if (!parent) {
      errno = ENOENT;
      return -1;
    }
    const auto target = join(*parent, base_name(clean_relative(entry.link)));
    return ::linkat(tree_.fd(), target.c_str(), tree_.fd(), place.c_str(), 0);
  }

  void write_content(codec::TarReader& tar, const std::string& place) {
    UniqueFd out = open_at(tree_.fd(), place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    std::vector<std::byte> buffer(1 << 17);
    while (const auto count = tar.read(buffer)) {
      write_full(out.get(), std::span(buffer).first(count), place);
    }
    out.close(place);
  }

  void set_attributes(const TarEntry& entry, const std::string& place) {
    const char* path = place.empty() ? "." : place.c_str();
    const auto uid = owner_ ? owner_->first : static_cast<std::uint32_t>(entry.uid);
    const auto gid = owner_ ? owner_->second : static_cast<std::uint32_t>(entry.gid);
    if (::fchownat(tree_.fd(), path, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error("chown " + place);
    }
    if (entry.type != TarEntry::Type::symlink && ::fchmodat(tree_.fd(), path, entry.mode & 07777, 0) != 0) {
      throw system_error("chmod " + place);
    }
    const std::string full = "/proc/self/fd/" + std::to_string(tree_.fd()) + "/" + place;
    for (const auto& [name, value] : entry.xattrs) {
      if (!store::is_private_xattr(name) &&
          ::lsetxattr(full.c_str(), name.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP &&
          errno != EPERM) {
        throw system_error("set the attribute " + name + " of " + place);
      }
    }
    set_time(place, entry);
  }

  void set_time(const std::string& place, const TarEntry& entry) {
    const timespec time{.tv_sec = entry.mtime, .tv_nsec = static_cast<long>(entry.mtime_nsec)};
    const std::array<timespec, 2> times{time, time};
    if (::utimensat(tree_.fd(), place.empty() ? "." : place.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error("set the time of " + place);
    }
  }

  RootTree tree_;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> owner_;
  std::vector<std::pair<std::string, TarEntry>> directories_;
};

}  // namespace

bool is_archive(int file, const std::string& name) {
  codec::FdSource source(file, name);
  try {
    const auto plain = codec::decompress(source);
    codec::TarReader tar(*plain);
    return tar.next().has_value();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) {
      throw;
    }
    return false;
  }
}

void unpack_archive(int file, const std::string& name, const RootTree& root, const std::string& dest,
                    const std::optional<std::pair<std::uint32_t, std::uint32_t>>& owner, const std::stop_token& stop) {
  codec::FdSource source(file, name, stop);
  const auto plain = codec::decompress(source);
  codec::TarReader tar(*plain);
  if (auto first = tar.next()) {
    Unpacker(root, dest, owner).unpack(tar, std::move(*first));
  }
}

}  // namespace dlc::build
