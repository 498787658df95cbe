#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace dlc {

std::string read_file(const std::filesystem::path& path, std::uint64_t limit) {
  const UniqueFd fd = open_file(path.string(), O_RDONLY);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    throw system_error("stat " + path.string());
  }
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorKind::invalid, path.string() + " is a directory, expected a file");
  }
  std::string text;
  std::string chunk(1 << 16, '\0');
  while (true) {
    const auto count = read_full(fd.get(), std::as_writable_bytes(std::span(chunk)), path.string());
    text.append(chunk, 0, count);
    if (text.size() > limit) {
      throw Error(ErrorKind::invalid, path.string() + " is larger than " + std::to_string(limit) + " bytes");
    }
    if (count < chunk.size()) {
      return text;
    }
  }
}

std::filesystem::path parent_directory(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text, Durability durability,
                           unsigned mode) {
  const auto parent = parent_directory(path);
  std::string name = (parent / ("." + path.filename().string() + ".XXXXXX")).string();
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) {
    throw system_error("create a temporary file in " + parent.string());
  }
  try {
    write_full(fd.get(), text, name);
    if (::fchmod(fd.get(), mode) != 0) {
      throw system_error("chmod " + name);
    }
    if (durability == Durability::durable) {
      sync_file(fd.get(), name);
    }
    fd.close(name);
    if (::rename(name.c_str(), path.c_str()) != 0) {
      throw system_error("rename " + name + " to " + path.string());
    }
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
  if (durability == Durability::durable) {
    const UniqueFd dir = open_file(parent.string(), O_RDONLY | O_DIRECTORY);
    sync_file(dir.get(), parent.string());
  }
}

namespace {

/// Returns 0 or an errno. `dir` owns its descriptor.
int remove_children(UniqueFd dir);

int remove_entry(int parent, const char* name) {
  if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
    return 0;
  }
  if (errno != EISDIR && errno != EPERM) {
    return errno;
  }
  int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES && ::fchmodat(parent, name, 0700, 0) == 0) {
    fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }
  if (fd < 0) {
    return errno;
  }
  const int failed = remove_children(UniqueFd(fd));
  if (failed != 0) {
    return failed;
  }
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

int remove_children(UniqueFd dir) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(dir.get()), ::closedir);
  if (!stream) {
    return errno;
  }
  const int fd = dir.release();  // the stream owns it now
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    int failed = remove_entry(fd, entry->d_name);
    if (failed == EACCES && ::fchmod(fd, 0700) == 0) {
      failed = remove_entry(fd, entry->d_name);
    }
    if (failed != 0) {
      return failed;
    }
  }
  return 0;
}

}  // namespace

void remove_tree(const std::filesystem::path& path) {
  const int failed = remove_entry(AT_FDCWD, path.c_str());
  if (failed != 0) {
    throw system_error("remove " + path.string(), failed);
  }
}

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& parent, std::string_view prefix) {
  std::string name = (parent / (std::string(prefix) + "XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw system_error("create a temporary directory in " + parent.string());
  }
  path_ = name;
}

TemporaryDirectory TemporaryDirectory::adopt(std::filesystem::path directory) {
  TemporaryDirectory result;
  result.path_ = std::move(directory);
  return result;
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory::~TemporaryDirectory() {
  if (!path_.empty()) {
    try {
      remove_tree(path_);
    } catch (const std::exception&) {  // a destructor must not throw; what is left lies below the store's tmp/
    }
  }
}

std::filesystem::path TemporaryDirectory::release() noexcept {
  return std::exchange(path_, {});
}

}  // namespace dlc
