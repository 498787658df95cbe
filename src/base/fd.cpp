#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace dlc {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::reset() noexcept {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

void UniqueFd::close(std::string_view what) {
  if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
    throw system_error(std::string("close ").append(what));
  }
}

UniqueFd open_file(const std::string& path, int flags, unsigned mode) {
  return open_at(AT_FDCWD, path, flags, mode);
}

UniqueFd open_at(int dir, const std::string& path, int flags, unsigned mode) {
  while (true) {
    const int fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) {
      return UniqueFd(fd);
    }
    if (errno != EINTR) {
      throw system_error("open " + path);
    }
  }
}

std::size_t read_full(int fd, std::span<std::byte> buffer, std::string_view what) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t count = ::read(fd, buffer.data() + done, buffer.size() - done);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw system_error(std::string("read ").append(what));
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void write_full(int fd, std::span<const std::byte> bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw system_error(std::string("write ").append(what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void write_full(int fd, std::string_view text, std::string_view what) {
  write_full(fd, std::as_bytes(std::span(text)), what);
}

void sync_file(int fd, std::string_view what) {
  if (::fsync(fd) != 0) {
    throw system_error(std::string("fsync ").append(what));
  }
}

}  // namespace dlc
