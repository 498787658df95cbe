#include "build/tree_tar.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "codec/tar.h"
#include "store/tree.h"

namespace dlc::build {

namespace fs = std::filesystem;

namespace {

class TreeWriter {
 public:
  TreeWriter(codec::TarWriter& writer, const ExportedTree& tree) : writer_(writer), tree_(tree) {}

  void write() { directory(""); }

 private:
  using LinkKey = std::pair<dev_t, ino_t>;

  void directory(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(tree_.root / path)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    for (const auto& name : names) {
      entry(path.empty() ? name : path + "/" + name);
    }
  }

  void entry(const std::string& path) {
    const auto full = (tree_.root / path).string();
    struct stat info{};
    if (::lstat(full.c_str(), &info) != 0) {
      throw system_error(full);
    }
    store::take_device(full, info);
    codec::TarEntry out;
    out.path = named(path);
    out.mode = info.st_mode & 07777U;
    out.uid = info.st_uid;
    out.gid = info.st_gid;
    out.mtime = tree_.time.value_or(info.st_mtim.tv_sec);
    if (S_ISSOCK(info.st_mode)) {
      return;  // tar has no type for it, and nothing would answer
    }
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
      const auto [first, is_new] = links_.emplace(LinkKey(info.st_dev, info.st_ino), out.path);
      if (!is_new) {
        out.type = codec::TarEntry::Type::hard_link;
        out.link = first->second;
        writer_.begin(out);
        return;
      }
    }
    xattrs(full, out);
    body(path, full, info, out);
  }

  [[nodiscard]] std::string named(const std::string& path) const {
    return tree_.prefix.empty() ? path : tree_.prefix + "/" + path;
  }

  void body(const std::string& path, const std::string& full, const struct stat& info, codec::TarEntry& out) {
    switch (info.st_mode & S_IFMT) {
      case S_IFDIR:
        out.type = codec::TarEntry::Type::directory;
        writer_.begin(out);
        directory(path);
        break;
      case S_IFLNK:
        out.type = codec::TarEntry::Type::symlink;
        out.link = fs::read_symlink(full).string();
        writer_.begin(out);
        break;
      case S_IFREG:
        out.size = static_cast<std::uint64_t>(info.st_size);
        writer_.begin(out);
        content(full);
        break;
      case S_IFIFO:
        out.type = codec::TarEntry::Type::fifo;
        writer_.begin(out);
        break;
      default:
        out.type = S_ISBLK(info.st_mode) ? codec::TarEntry::Type::block : codec::TarEntry::Type::character;
        out.major = major(info.st_rdev);
        out.minor = minor(info.st_rdev);
        writer_.begin(out);
        break;
    }
  }

  void content(const std::string& full) {
    const auto fd = open_file(full, O_RDONLY | O_NOFOLLOW);
    constexpr std::size_t kChunk = 256U << 10;
    std::vector<std::byte> buffer(kChunk);
    for (auto count = read_full(fd.get(), buffer, full); count > 0; count = read_full(fd.get(), buffer, full)) {
      writer_.data({buffer.data(), count});
    }
  }

  static void xattrs(const std::string& full, codec::TarEntry& out) {
    std::vector<char> names(64U << 10);
    const auto length = ::llistxattr(full.c_str(), names.data(), names.size());
    for (ssize_t at = 0; at < length;) {
      const std::string name(&names[static_cast<std::size_t>(at)]);
      at += static_cast<ssize_t>(name.size()) + 1;
      std::string value(64U << 10, '\0');
      const auto size = ::lgetxattr(full.c_str(), name.c_str(), value.data(), value.size());
      if (size >= 0 && !store::is_private_xattr(name)) {
        value.resize(static_cast<std::size_t>(size));
        out.xattrs.emplace(name, std::move(value));
      }
    }
  }

  codec::TarWriter& writer_;
  const ExportedTree& tree_;
  std::map<LinkKey, std::string> links_;
};

void write_prefix(codec::TarWriter& writer, const ExportedTree& tree) {
  codec::TarEntry entry;
  entry.path = tree.prefix;
  entry.type = codec::TarEntry::Type::directory;
  entry.mode = 0755;
  entry.mtime = tree.time.value_or(0);
  writer.begin(entry);
}

}  // namespace

void write_tree_tar(codec::Sink& out, std::span<const ExportedTree> trees) {
  codec::TarWriter writer(out);
  for (const auto& tree : trees) {
    if (!tree.prefix.empty()) {
      write_prefix(writer, tree);
    }
    TreeWriter(writer, tree).write();
  }
  writer.finish();
  out.finish();
}

}  // namespace dlc::build
