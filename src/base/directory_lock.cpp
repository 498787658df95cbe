#include "base/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <thread>

#include "base/error.h"

namespace dlc {

DirectoryLock::DirectoryLock(const std::filesystem::path& directory, std::chrono::milliseconds patience)
    : fd_(open_file(directory.string(), O_RDONLY | O_DIRECTORY)) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return;
    }
    if (std::chrono::steady_clock::now() >= end) {
      throw Error(ErrorKind::failed,
                  "another program holds the lock of " + std::filesystem::absolute(directory).string())
          .hint("wait for the other dlc (or flock) that works there, then run the command again")
          .retryable();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  held_ = true;
}

}  // namespace dlc
