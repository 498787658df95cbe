#include "build/root_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "base/error.h"

namespace dlc::build {

namespace {

/// Opens without following any link: the caller has resolved the path already.
UniqueFd open_plain(int dir, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  const long fd = ::syscall(SYS_openat2, dir, name, &how, sizeof how);
  if (fd < 0) {
    throw system_error("open " + path);
  }
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace

std::vector<std::string> list_directory(int dir, const std::string& path) {
  UniqueFd fd = open_plain(dir, path, O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (!stream) {
    throw system_error("read the directory " + path);
  }
  static_cast<void>(fd.release());  // the stream owns it
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    std::string name = entry->d_name;
    if (name != "." && name != "..") {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_link_at(int dir, const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(dir, path.c_str(), target.data(), target.size());
  if (size < 0) {
    throw system_error("read the link " + path);
  }
  target.resize(static_cast<std::size_t>(size));
  return target;
}

RootTree::RootTree(const std::filesystem::path& root) : root_(open_file(root.string(), O_PATH | O_DIRECTORY)) {}

std::optional<Node> RootTree::lstat(const std::string& path) const {
  return stat_node(root_.get(), path);
}
std::vector<std::string> RootTree::list(const std::string& path) const {
  return list_directory(root_.get(), path);
}
UniqueFd RootTree::open(const std::string& path) const {
  return open_plain(root_.get(), path, O_RDONLY | O_NONBLOCK);
}
std::string RootTree::read_link(const std::string& path) const {
  return read_link_at(root_.get(), path);
}
std::map<std::string, std::string> RootTree::xattrs(const std::string& path) const {
  return read_xattrs(root_.get(), path);
}

}  // namespace dlc::build
