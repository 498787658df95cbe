#include "store/host.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/files.h"

namespace dlc::store {

namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

// Serialises making run directories with reaping: a directory without its lock yet must not look dead.
UniqueFd lock_tmp(const std::filesystem::path& store) {
  UniqueFd fd = open_file((store / "locks" / "tmp.lock").string(), O_RDWR | O_CREAT, 0600);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      throw system_error("lock " + (store / "locks" / "tmp.lock").string());
    }
  }
  return fd;
}

}  // namespace

std::string boot_id() {
  return trimmed(read_file("/proc/sys/kernel/random/boot_id", 1 << 12));
}

// Field 22 of /proc/self/stat, counted after the name (which may hold blanks and parentheses).
std::string process_start_time() {
  const std::string text = read_file("/proc/self/stat", 1 << 16);
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) {
    at = text.find(' ', at + 1);
  }
  return at == std::string::npos ? "0" : text.substr(at + 1, text.find(' ', at + 1) - at - 1);
}

std::string describe_this_process() {
  std::string command = read_file("/proc/self/cmdline", 1 << 22);
  std::replace(command.begin(), command.end(), '\0', ' ');
  command = trimmed(command);
  constexpr std::size_t kLongest = 200;
  if (command.size() > kLongest) {
    command = command.substr(0, kLongest) + "...";
  }
  return "pid " + std::to_string(::getpid()) + " (" + command + ")";
}

RunDirectory::RunDirectory(std::filesystem::path store) : store_(std::move(store)) {}

RunDirectory::~RunDirectory() {
  if (!path_.empty()) {
    try {
      remove_tree(path_);
    } catch (const std::exception&) {  // the next run reaps it
    }
  }
}

const std::filesystem::path& RunDirectory::path() {
  const std::lock_guard guard(mutex_);
  if (path_.empty()) {
    const UniqueFd held = lock_tmp(store_);
    const std::string prefix =
        std::to_string(::getpid()) + "-" + process_start_time() + "-" + boot_id().substr(0, 8) + "-";
    TemporaryDirectory made(store_ / "tmp", prefix);
    lock_ = open_file((made.path() / "lock").string(), O_RDWR | O_CREAT, 0600);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      throw system_error("lock " + (made.path() / "lock").string());
    }
    path_ = made.release();
  }
  return path_;
}

std::filesystem::path RunDirectory::make_directory(const std::string& prefix) {
  return TemporaryDirectory(path(), prefix).release();
}

void RunDirectory::reap() {
  std::error_code ignored;
  if (std::filesystem::is_empty(store_ / "tmp", ignored)) {
    return;
  }
  const UniqueFd held = lock_tmp(store_);
  for (const auto& entry : std::filesystem::directory_iterator(store_ / "tmp", ignored)) {
    const UniqueFd lock(::open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      continue;
    }
    remove_tree(entry.path());  // no lock file: its maker died between mkdir and open
  }
}

}  // namespace dlc::store
