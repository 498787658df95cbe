#include "sandbox/below.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace dlc::sandbox {

UniqueFd open_below(int directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags) | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, directory, name, &how, sizeof how)));
}

std::pair<std::string, std::string> split_path(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::pair(std::string(), path)
                                    : std::pair(path.substr(0, slash), path.substr(slash + 1));
}

bool remove_below(int directory, const std::string& path, bool is_directory) {
  const auto [parent_path, name] = split_path(path);
  const UniqueFd parent = open_below(directory, parent_path, O_DIRECTORY | O_RDONLY);
  struct stat status{};
  if (!parent || ::fstat(parent.get(), &status) != 0 ||
      ::unlinkat(parent.get(), name.c_str(), is_directory ? AT_REMOVEDIR : 0) != 0) {
    return false;
  }
  const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  ::futimens(parent.get(), times.data());
  return true;
}

}  // namespace dlc::sandbox
