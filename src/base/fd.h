#pragma once
// An owned file descriptor, and reading and writing it whole. All descriptors are opened with O_CLOEXEC.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace dlc {

/// Owns one descriptor; closes it in the destructor. Move-only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept;
  /// Closes a written file; throws Error where close(2) reports a lost write. `what` names the file.
  void close(std::string_view what);

 private:
  int fd_ = -1;
};

/// open(2) with O_CLOEXEC; throws Error that names the path.
[[nodiscard]] UniqueFd open_file(const std::string& path, int flags, unsigned mode = 0644);
/// openat(2) with O_CLOEXEC.
[[nodiscard]] UniqueFd open_at(int dir, const std::string& path, int flags, unsigned mode = 0644);

/// Reads up to `buffer.size()` bytes, fewer only at the end of the file. Throws Error; `what` names the file.
[[nodiscard]] std::size_t read_full(int fd, std::span<std::byte> buffer, std::string_view what);
void write_full(int fd, std::span<const std::byte> bytes, std::string_view what);
void write_full(int fd, std::string_view text, std::string_view what);
/// fsync(2); throws Error. Never retried: after a failed fsync the pages are lost.
void sync_file(int fd, std::string_view what);

}  // namespace dlc
