#include "store/extractor.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <set>
#include <span>

#include "base/error.h"
#include "store/layer_index.h"

namespace dlc::store {

namespace {

using Type = codec::TarEntry::Type;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kMetaWhiteout = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr int kMostLinks = 40;  // as the kernel's own limit
constexpr std::size_t kBufferBytes = 1 << 20;
constexpr std::size_t kHoleBytes = 1 << 16;

Error hostile(const std::string& path, const std::string& why) {
  return {ErrorKind::invalid, "entry \"" + path + "\" " + why};
}

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto part = path.substr(0, end);
    if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

// The components of a name in the archive. ".." and embedded marks are refused rather than interpreted.
std::vector<std::string> checked_components(const std::string& path, const std::string& entry) {
  if (path.find('\0') != std::string::npos) {
    throw hostile(entry, "has a name with a zero byte");
  }
  auto parts = components(path);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "..") {
      throw hostile(entry, "has \"..\" in its name");
    }
    if (i + 1 < parts.size() && parts[i].starts_with(kWhiteout) && !parts[i].starts_with(kMetaWhiteout)) {
      throw hostile(entry, "lies below a whiteout");
    }
  }
  return parts;
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

std::string joined(std::span<const std::string> parts) {
  std::string path;
  for (const auto& part : parts) {
    path = join(path, part);
  }
  return path;
}

// What a name of the archive means in the merged tree.
struct Node {
  enum class Where { nowhere, upper, lower } where = Where::nowhere;
  struct stat status{};
  std::size_t lower = 0;
};

struct DirectoryTime {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};

}  // namespace

struct Extractor::State {
  int upper;
  LowerView& lower;
  std::vector<IndexEntry> index;
  std::map<std::string, DirectoryTime> times;  // of directories, set last
  std::set<std::string> opaque;
  std::string cached_raw = "/";  // the last parent as the archive names it, and where it is
  std::string cached_parent;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBufferBytes);

  State(int upper_fd, LowerView& view) : upper(upper_fd), lower(view) {
    const auto status = *stat_at(upper, "");
    times[""] = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  }

  [[nodiscard]] bool hidden(std::string path) const {
    if (opaque.empty()) {
      return false;
    }
    while (true) {
      if (opaque.contains(path)) {
        return true;
      }
      if (path.empty()) {
        return false;
      }
      path = parent_of(path);
    }
  }

  std::optional<LowerView::Found> below(const std::string& path) {
    return hidden(parent_of(path)) ? std::nullopt : lower.find(path);
  }

  // `path`'s parent is a real directory of the merged tree.
  Node look(const std::string& path) {
    if (const auto here = look_at(upper, path, lower.mode()); here.kind != Look::Kind::nothing) {
      return here.kind == Look::Kind::whiteout ? Node{} : Node{Node::Where::upper, here.status, 0};
    }
    const auto found = below(path);
    return found ? Node{Node::Where::lower, found->status, found->lower} : Node{};
  }

  void make_directory(const std::string& path) {
    if (::mkdirat(upper, path.c_str(), 0755) != 0) {
      throw system_error("create /" + path);
    }
  }

  void copy_up_directory(const std::string& path, const Node& node) {
    make_directory(path);
    set_metadata_at(upper, path, node.status, xattrs_at(lower.root(node.lower), path));
    times[path] = {node.status.st_mtim.tv_sec, node.status.st_mtim.tv_nsec};
  }

  // An implicit parent that no layer has an entry for.
  void make_missing_directory(const std::string& path) {
    if (look_at(upper, path, lower.mode()).kind == Look::Kind::whiteout) {  // of this very layer
      remove_whiteout_at(upper, path, lower.mode());
      make_directory(path);
      mark_opaque(path);
    } else {
      make_directory(path);
    }
    struct stat fresh{};
    fresh.st_mode = S_IFDIR | 0755;
    set_metadata_at(upper, path, fresh, {});
    times[path] = {};
  }

  void mark_opaque(const std::string& path) {
    if (opaque.insert(path).second) {
      make_opaque_at(upper, path, lower.mode());
    }
  }

  // Resolves a directory in the merged tree, following links inside it. With `make`, it exists in the upper afterwards;
  // without, nullopt where it does not exist.
  std::optional<std::string> resolve(std::span<const std::string> parts, const std::string& entry, bool make) {
    std::deque<std::string> todo(parts.begin(), parts.end());
    std::string current;
    int links = 0;
    while (!todo.empty()) {
      const std::string part = std::move(todo.front());
      todo.pop_front();
      if (part == "..") {  // from a link's target only; stops at the root
        current = parent_of(current);
        continue;
      }
      const std::string path = join(current, part);
      const Node node = look(path);
      if (node.where == Node::Where::nowhere) {
        if (!make) {
          return std::nullopt;
        }
        make_missing_directory(path);
      } else if (S_ISLNK(node.status.st_mode)) {
        if (++links > kMostLinks) {
          throw hostile(entry, "passes too many symbolic links");
        }
        const int root = node.where == Node::Where::upper ? upper : lower.root(node.lower);
        const std::string target = read_link_at(root, path);
        const auto more = components(target);
        todo.insert(todo.begin(), more.begin(), more.end());
        if (target.starts_with('/')) {
          current.clear();
        }
        continue;
      } else if (!S_ISDIR(node.status.st_mode)) {
        if (!make) {
          return std::nullopt;
        }
        throw hostile(entry, "lies below /" + path + ", which is not a directory");
      } else if (node.where == Node::Where::lower && make) {
        copy_up_directory(path, node);
      }
      current = path;
    }
    return current;
  }

  std::string parent_directory(std::span<const std::string> parts, const std::string& entry) {
    const std::string raw = joined(parts);
    if (raw != cached_raw) {
      cached_parent = *resolve(parts, entry, true);
      cached_raw = raw;
    }
    return cached_parent;
  }

  void forget_parent() { cached_raw = "/"; }

  void remove(const std::string& path, const struct stat& status) {
    if (!S_ISDIR(status.st_mode)) {
      unlink_at(upper, path, false);
      return;
    }
    for (const auto& name : list_at(upper, path)) {
      const auto child = join(path, name);
      remove(child, *stat_at(upper, child));
    }
    unlink_at(upper, path, true);
    times.erase(path);
    opaque.erase(path);
  }

  void apply_opaque(std::span<const std::string> parts, const std::string& entry) {
    const auto directory = resolve(parts, entry, false);
    if (!directory) {
      return;  // nothing to hide
    }
    if (directory->empty() ? lower.empty() : !below_is_directory(*directory)) {
      return;
    }
    const std::string path = *resolve(parts, entry, true);
    mark_opaque(path);
  }

  bool below_is_directory(const std::string& path) {
    const auto found = below(path);
    return found && S_ISDIR(found->status.st_mode);
  }

  // Hides what the parent has; entries of this layer stay, whatever the order (image-spec, "Whiteouts").
  void apply_whiteout(std::span<const std::string> parts, const std::string& name, const std::string& entry) {
    if (name.empty() || name == "." || name == "..") {
      throw hostile(entry, "is a whiteout of nothing");
    }
    const auto directory = resolve(parts, entry, false);
    if (!directory || !below(join(*directory, name))) {
      return;
    }
    const std::string path = join(*resolve(parts, entry, true), name);
    const auto here = look_at(upper, path, lower.mode());
    if (here.kind == Look::Kind::nothing) {
      make_whiteout_at(upper, path, lower.mode());
      forget_parent();
    } else if (here.kind == Look::Kind::entry && S_ISDIR(here.status.st_mode)) {
      mark_opaque(path);
    }
  }

  void apply_root(const codec::TarEntry& entry) {
    if (entry.type != Type::directory) {
      throw hostile(entry.path, "makes the root something other than a directory");
    }
    set_entry_metadata("", entry);
    index.push_back(index_entry(entry, ""));
  }

  void set_entry_metadata(const std::string& path, const codec::TarEntry& entry) {
    constexpr auto kMostId = std::numeric_limits<uid_t>::max();
    if (entry.uid >= kMostId || entry.gid >= kMostId) {
      throw hostile(entry.path, "has an owner that no file can have");
    }
    struct stat status{};
    status.st_mode = (entry.type == Type::symlink ? S_IFLNK : 0U) | (entry.mode & 07777);
    status.st_uid = static_cast<uid_t>(entry.uid);
    status.st_gid = static_cast<gid_t>(entry.gid);
    for (const auto& [name, value] : entry.xattrs) {
      if (is_private_xattr(name)) {
        throw hostile(entry.path, "has the attribute " + name + ", which marks snapshots and is no part of an image");
      }
    }
    set_metadata_at(upper, path, status, {});
    for (const auto& [name, value] : entry.xattrs) {
      try {
        set_xattr_at(upper, path, name, value);
      } catch (const Error&) {
        // A label of another host's policy is no part of the image; trusted ones are not for users to set.
        const bool trusted = name.starts_with("trusted.") && lower.mode() != SnapshotMode::trusted;
        if (name != "security.selinux" && !trusted) {
          throw;
        }
      }
    }
    if (entry.type == Type::directory) {
      times[path] = {entry.mtime, entry.mtime_nsec};
    } else {
      set_mtime_at(upper, path, entry.mtime, entry.mtime_nsec);
    }
  }

  // Makes room for `entry`. Returns whether what the parent has at this path must be hidden from a new directory.
  bool clear(const std::string& path, const codec::TarEntry& entry) {
    const auto here = look_at(upper, path, lower.mode());
    if (here.kind == Look::Kind::nothing || (entry.type == Type::directory && S_ISDIR(here.status.st_mode))) {
      return false;
    }
    if (here.kind == Look::Kind::whiteout) {
      remove_whiteout_at(upper, path, lower.mode());
    } else {
      remove(path, here.status);
    }
    forget_parent();
    return true;
  }

  void apply_directory(const std::string& path, const codec::TarEntry& entry) {
    const bool replaced = clear(path, entry);
    if (!stat_at(upper, path)) {
      // What the parent has here shows through unless something of this layer stood between.
      const bool hide = replaced && below_is_directory(path);
      make_directory(path);
      if (hide) {
        mark_opaque(path);
      }
      forget_parent();
    }
    set_entry_metadata(path, entry);
  }

  void apply_file(const std::string& path, const codec::TarEntry& entry, codec::TarReader& tar) {
    clear(path, entry);
    UniqueFd file = open_beneath(upper, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    IndexEntry line = index_entry(entry, path);
    line.offset = tar.content_offset();
    const bool keep = is_kept_path(path) && entry.size <= kKeptLimit;
    codec::Sha256 hash;
    std::uint64_t written = 0;
    while (const std::size_t count = fill(tar)) {
      const auto bytes = std::span<const std::byte>(buffer).first(count);
      hash.update(bytes);
      write_sparsely(file.get(), bytes, path);
      if (keep) {
        for (const std::byte byte : bytes) {
          line.kept += static_cast<char>(byte);
        }
      }
      written += count;
    }
    if (written != entry.size) {
      throw Error(ErrorKind::corrupt, "entry \"" + entry.path + "\" ends early");
    }
    if (::ftruncate(file.get(), static_cast<off_t>(written)) != 0) {
      throw system_error("write /" + path);
    }
    file.close("/" + path);
    line.content = hash.finish();
    set_entry_metadata(path, entry);
    index.push_back(std::move(line));
  }

  std::size_t fill(codec::TarReader& tar) {
    std::size_t done = 0;
    while (done < buffer.size()) {
      const std::size_t count = tar.read(std::span(buffer).subspan(done));
      if (count == 0) {
        break;
      }
      done += count;
    }
    return done;
  }

  static void write_sparsely(int fd, std::span<const std::byte> bytes, const std::string& path) {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kHoleBytes));
      if (piece.size() == kHoleBytes && all_zero(piece)) {
        if (::lseek(fd, kHoleBytes, SEEK_CUR) < 0) {
          throw system_error("write /" + path);
        }
      } else {
        write_full(fd, piece, "/" + path);
      }
      bytes = bytes.subspan(piece.size());
    }
  }

  void apply_hard_link(const std::string& path, const codec::TarEntry& entry) {
    const auto parts = checked_components(entry.link, entry.path);
    if (parts.empty()) {
      throw hostile(entry.path, "is a hard link to the root");
    }
    const auto directory = resolve(std::span(parts).first(parts.size() - 1), entry.path, false);
    const std::string target = directory ? join(*directory, parts.back()) : std::string();
    const Node node = directory ? look(target) : Node{};
    if (node.where == Node::Where::nowhere) {
      throw hostile(entry.path, "is a hard link to \"" + entry.link + "\", which is not there");
    }
    if (S_ISDIR(node.status.st_mode) || target == path) {
      throw hostile(entry.path, "is a hard link to a directory or to itself");
    }
    if (node.where == Node::Where::lower) {
      (void)resolve(std::span(parts).first(parts.size() - 1), entry.path, true);
      copy_up_file(target, node);
    }
    clear(path, entry);
    if (::linkat(upper, target.c_str(), upper, path.c_str(), 0) != 0) {
      throw system_error("link /" + target + " to /" + path);
    }
    index.push_back(index_entry(entry, path));
    index.back().link = target;
  }

  // The link's target lies in a lower layer: a copy here keeps both names one file.
  void copy_up_file(const std::string& path, const Node& node) {
    const int root = lower.root(node.lower);
    if (S_ISREG(node.status.st_mode)) {
      const UniqueFd from = open_beneath(root, path, O_RDONLY);
      UniqueFd to = open_beneath(upper, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      while (const std::size_t count = read_full(from.get(), buffer, "/" + path)) {
        write_full(to.get(), std::span<const std::byte>(buffer).first(count), "/" + path);
      }
      to.close("/" + path);
    } else if (S_ISLNK(node.status.st_mode)) {
      make_symlink(path, read_link_at(root, path));
    } else {
      make_special(path, node.status.st_mode & S_IFMT, node.status.st_rdev);
    }
    set_metadata_at(upper, path, node.status, xattrs_at(root, path));
    set_mtime_at(upper, path, node.status.st_mtim.tv_sec, node.status.st_mtim.tv_nsec);
  }

  void make_symlink(const std::string& path, const std::string& target) {
    if (::symlinkat(target.c_str(), upper, path.c_str()) != 0) {
      throw system_error("create the link /" + path);
    }
    forget_parent();
  }

  void make_special(const std::string& path, mode_t type, dev_t device) { make_device_at(upper, path, type, device); }

  void apply_other(const std::string& path, const codec::TarEntry& entry) {
    if (entry.type == Type::character && entry.major == 0 && entry.minor == 0) {
      throw hostile(entry.path, "is a device 0:0, which overlayfs takes for a whiteout");
    }
    if (entry.type == Type::symlink && entry.link.empty()) {
      throw hostile(entry.path, "is a symbolic link to nothing");
    }
    clear(path, entry);
    switch (entry.type) {
      case Type::symlink:
        make_symlink(path, entry.link);
        break;
      case Type::character:
        make_special(path, S_IFCHR, makedev(entry.major, entry.minor));
        break;
      case Type::block:
        make_special(path, S_IFBLK, makedev(entry.major, entry.minor));
        break;
      default:
        make_special(path, S_IFIFO, 0);
        break;
    }
    set_entry_metadata(path, entry);
  }

  void apply(const codec::TarEntry& entry, codec::TarReader& tar) {
    const auto parts = checked_components(entry.path, entry.path);
    if (parts.empty()) {
      apply_root(entry);
      return;
    }
    if (std::any_of(parts.begin(), parts.end(),
                    [](const auto& part) { return part.starts_with(kMetaWhiteout) && part != kOpaque; })) {
      return;  // bookkeeping of AUFS, no part of the tree
    }
    const auto above = std::span(parts).first(parts.size() - 1);
    const std::string& name = parts.back();
    if (name.starts_with(kWhiteout)) {
      if (name == kOpaque) {
        apply_opaque(above, entry.path);
      } else {
        apply_whiteout(above, name.substr(kWhiteout.size()), entry.path);
      }
      index.push_back(index_entry(entry, joined(parts)));
      return;
    }
    const std::string path = join(parent_directory(above, entry.path), name);
    switch (entry.type) {
      case Type::file:
        apply_file(path, entry, tar);
        return;
      case Type::hard_link:
        apply_hard_link(path, entry);
        return;
      case Type::directory:
        apply_directory(path, entry);
        break;
      default:
        apply_other(path, entry);
        break;
    }
    index.push_back(index_entry(entry, path));
  }
};

Extractor::Extractor(int upper, LowerView& lower) : state_(std::make_unique<State>(upper, lower)) {}
Extractor::~Extractor() = default;

void Extractor::apply(const codec::TarEntry& entry, codec::TarReader& tar) {
  state_->apply(entry, tar);
}

std::vector<IndexEntry> Extractor::finish() {
  for (const auto& [path, time] : state_->times) {
    set_mtime_at(state_->upper, path, time.seconds, time.nanoseconds);
  }
  return std::move(state_->index);
}

std::vector<IndexEntry> index_tar(codec::TarReader& tar) {
  std::vector<IndexEntry> index;
  std::vector<std::byte> buffer(kBufferBytes);
  while (const auto entry = tar.next()) {
    const auto parts = components(entry->path);
    IndexEntry line = index_entry(*entry, joined(parts));
    if (entry->type == Type::hard_link) {
      line.link = joined(components(entry->link));
    }
    if (entry->type == Type::file) {
      line.offset = tar.content_offset();
      codec::Sha256 hash;
      while (const std::size_t count = tar.read(buffer)) {
        hash.update(std::span<const std::byte>(buffer).first(count));
        if (is_kept_path(line.path) && entry->size <= kKeptLimit) {
          for (const std::byte byte : std::span<const std::byte>(buffer).first(count)) {
            line.kept += static_cast<char>(byte);
          }
        }
      }
      line.content = hash.finish();
    }
    index.push_back(std::move(line));
  }
  return index;
}

}  // namespace dlc::store
