#include "base/output_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/files.h"

namespace dlc {

namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as the kernel

/// What is at the path, links followed; nullopt: nothing, perhaps behind a link.
std::optional<struct stat> status_of(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    return status;
  }
  if (errno != ENOENT) {
    throw system_error("stat " + path.string());
  }
  return std::nullopt;
}

/// The path behind all links. nullopt where a link stands for an open file (/proc/self/fd/1, and so /dev/stdout): its
/// text is no path that could be replaced.
std::optional<fs::path> behind_links(fs::path path) {
  for (int links = 0; links < kMaxLinks; ++links) {
    std::error_code failed;
    if (!fs::is_symlink(fs::symlink_status(path, failed))) {
      return path;
    }
    struct statfs place{};
    if (::statfs(parent_directory(path).c_str(), &place) == 0 && place.f_type == PROC_SUPER_MAGIC) {
      return std::nullopt;
    }
    const auto next = fs::read_symlink(path, failed);
    if (failed) {
      throw system_error("read the link " + path.string(), failed.value());
    }
    path = parent_directory(path) / next;  // an absolute one replaces all of it
  }
  throw system_error("follow the links of " + path.string(), ELOOP);
}

/// Throws for what no file can be written to.
void refuse_unfit(mode_t mode, const std::string& name) {
  const char* what = S_ISDIR(mode) ? "a directory" : S_ISSOCK(mode) ? "a socket" : S_ISBLK(mode) ? "a disk" : nullptr;
  if (what != nullptr) {
    throw Error(ErrorKind::usage, name + " is " + what + ", expected a file").hint("name another file");
  }
}

struct Place {
  std::optional<fs::path> replaced;  ///< behind all links; nullopt: the bytes go straight to what is there
  std::optional<unsigned> mode;      ///< of the file that is replaced; nullopt: it is new
};

Place place_of(const fs::path& path) {
  const auto status = status_of(path);
  if (!status) {
    return {behind_links(path), std::nullopt};
  }
  refuse_unfit(status->st_mode, path.string());
  return {S_ISREG(status->st_mode) ? behind_links(path) : std::nullopt, status->st_mode & 0777U};
}

}  // namespace

OutputFile::OutputFile(const fs::path& path, unsigned mode) : name_(path.string()) {
  const auto place = place_of(path);
  if (!place.replaced) {
    fd_ = open_file(name_, O_WRONLY | O_TRUNC | O_NOCTTY);
    return;
  }
  open_beside(*place.replaced, place.mode.value_or(mode));
}

void OutputFile::open_beside(const fs::path& target, unsigned mode) {
  target_ = target.string();
  temporary_ = (parent_directory(target) / ("." + target.filename().string() + ".XXXXXX")).string();
  fd_ = UniqueFd(::mkostemp(temporary_.data(), O_CLOEXEC));
  if (!fd_) {
    temporary_.clear();
    throw system_error("create a temporary file in " + parent_directory(target).string());
  }
  if (::fchmod(fd_.get(), mode) != 0) {
    const auto error = system_error("chmod " + temporary_);
    ::unlink(temporary_.c_str());
    throw Error(error);
  }
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void OutputFile::commit() {
  fd_.close(name_);
  if (temporary_.empty()) {
    return;
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
    throw system_error("rename " + temporary_ + " to " + target_);
  }
  temporary_.clear();
}

void check_output_file(const fs::path& path) {
  if (place_of(path).replaced) {
    const OutputFile attempt(path);
  }
}

void write_output_file(const fs::path& path, std::string_view text, unsigned mode) {
  OutputFile file(path, mode);
  write_full(file.fd(), text, file.name());
  file.commit();
}

}  // namespace dlc
