#include "sandbox/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/user_namespace.h"

namespace dlc::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = "/sys/fs/cgroup";
constexpr std::string_view kPrefix = "dlc-";
constexpr std::string_view kRuntimesPart = "/runtime";
constexpr long kPeriod = 100'000;  // microseconds, the kernel's and Docker's default

/// The directories in which groups of ours may lie: each v1 hierarchy's root, or the one of v2.
std::vector<std::string> hierarchies(const CgroupHost& host) {
  if (host.unified) {
    return {host.root + host.parent};
  }
  std::vector<std::string> result;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(host.root, ignored)) {
    if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
      result.push_back(entry.path().string());
    }
  }
  return result;
}

/// A name of ours that is there already was left by us.
bool make_group(const std::string& path) {
  return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

/// Field 22 of /proc/PID/stat, in clock ticks since boot; empty where there is no such process.
std::string start_time(const std::string& pid) {
  try {
    std::string text = read_file("/proc/" + pid + "/stat", 1U << 16);
    std::size_t at = text.rfind(')');
    for (int field = 2; field < 22 && at != std::string::npos; ++field) {
      at = text.find(' ', at + 1);
    }
    return at == std::string::npos ? "" : text.substr(at + 1, text.find(' ', at + 1) - at - 1);
  } catch (const Error&) {
    return {};
  }
}

/// Asked anew each time: the groups of a process and of its fork must not share names, as each has janitors of its own.
std::string own_identity() {
  return std::to_string(::getpid()) + "-" + start_time("self");
}

bool write_value(const std::string& file, const std::string& value) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

std::string read_value(const std::string& file) {
  try {
    return read_file(file, 1U << 16);
  } catch (const Error&) {
    return {};
  }
}

void remove_groups(const char* const* paths, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    ::rmdir(paths[i]);
  }
}

/// Outlives us where we are killed, removes the groups, ends. Allocates nothing: it is a fork of a process with
/// threads.
[[noreturn]] void run_janitor(int parent, const char* const* paths, std::size_t count) {
  ::setsid();
  pollfd wait{parent, POLLIN, 0};
  ::close_range(0, static_cast<unsigned>(parent) - 1, 0);
  ::close_range(static_cast<unsigned>(parent) + 1, ~0U, 0);
  while (::poll(&wait, 1, -1) < 0) {
  }
  constexpr timespec kPause{0, 20'000'000};
  for (int i = 0; i < 100; ++i) {
    remove_groups(paths, count);
    ::nanosleep(&kPause, nullptr);
  }
  ::_exit(0);
}

pid_t start_janitor(const CgroupHost& host, const std::string& name) {
  std::vector<std::string> paths;
  std::vector<const char*> pointers;
  for (const auto& hierarchy : hierarchies(host)) {
    paths.push_back(hierarchy + "/" + name + std::string(kRuntimesPart));
    paths.push_back(hierarchy + "/" + name);
  }
  for (const auto& path : paths) {
    pointers.push_back(path.c_str());
  }
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // Not fork(): see Supervisor.
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid == 0) {
    run_janitor(self.get(), pointers.data(), pointers.size());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

}  // namespace

std::string Cgroup::runtimes_path() const {
  return "/" + name_ + std::string(kRuntimesPart);
}

CgroupHost describe_cgroups(const std::string& root, bool unified, bool ordinary_user, std::string_view self) {
  CgroupHost host{.root = root, .unified = unified, .parent = {}};
  constexpr std::string_view kUnified = "0::/";
  const auto at = self.starts_with(kUnified) ? 0 : self.find("\n0::/");
  if (unified && ordinary_user && at != std::string_view::npos) {
    const auto begin = self.find('/', at);
    const auto path = self.substr(begin, self.find('\n', begin) - begin);
    host.parent = std::string(path.substr(0, path.rfind('/')));
  }
  return host;
}

CgroupHost look_at_cgroups() {
  struct statfs status{};
  const bool unified = ::statfs(kRoot, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
  return describe_cgroups(kRoot, unified, is_ordinary_user(), read_value("/proc/self/cgroup"));
}

Cgroup::Cgroup(CgroupHost host) : host_(std::move(host)) {
  static std::atomic<std::uint64_t> last{0};
  name_ = std::string(kPrefix) + own_identity() + "-" + std::to_string(++last);
  janitor_ = start_janitor(host_, name_);
}

Cgroup::~Cgroup() {
  members_.clear();
  for (const auto& hierarchy : hierarchies(host_)) {
    ::rmdir((hierarchy + "/" + name_ + std::string(kRuntimesPart)).c_str());
    ::rmdir((hierarchy + "/" + name_).c_str());
  }
  if (janitor_ > 0) {
    ::kill(janitor_, SIGKILL);
    while (::waitpid(janitor_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

bool Cgroup::limit(const CgroupLimits& limits) {
  return host_.unified ? limit_v2(limits) : limit_v1(limits);
}

bool Cgroup::join(const std::string& directory, const std::string& place) {
  UniqueFd procs(::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!procs) {
    return false;
  }
  members_.push_back(std::move(procs));
  views_.push_back({directory, place});
  return true;
}

bool Cgroup::limit_v1(const CgroupLimits& limits) {
  bool ok = true;
  if (limits.memory != 0) {
    memory_ = host_.root + "/memory/" + name_;
    ok = make_group(memory_) && write_value(memory_ + "/memory.limit_in_bytes", std::to_string(limits.memory)) &&
         join(memory_, "/memory");
    write_value(memory_ + "/memory.memsw.limit_in_bytes", std::to_string(2 * limits.memory));  // where swap is counted
  }
  if (limits.cpus > 0) {
    const std::string cpu = host_.root + "/cpu/" + name_;
    const long quota = std::lround(limits.cpus * static_cast<double>(kPeriod));
    ok = ok && make_group(cpu) && write_value(cpu + "/cpu.cfs_period_us", std::to_string(kPeriod)) &&
         write_value(cpu + "/cpu.cfs_quota_us", std::to_string(quota)) && join(cpu, "/cpu");
  }
  return ok;
}

bool Cgroup::limit_v2(const CgroupLimits& limits) {
  const std::string parent = host_.root + host_.parent;
  const std::string group = parent + "/" + name_;
  write_value(parent + "/cgroup.subtree_control", "+memory +cpu");  // where it fails they may be on already
  if (!make_group(group)) {
    return false;
  }
  bool ok = true;
  if (limits.memory != 0) {
    memory_ = group;
    ok = write_value(group + "/memory.max", std::to_string(limits.memory));
    write_value(group + "/memory.swap.max", std::to_string(limits.memory));
  }
  if (limits.cpus > 0) {
    const long quota = std::lround(limits.cpus * static_cast<double>(kPeriod));
    ok = write_value(group + "/cpu.max", std::to_string(quota) + " " + std::to_string(kPeriod)) && ok;
  }
  return join(group, "") && ok;
}

std::vector<int> Cgroup::members() const {
  std::vector<int> result;
  for (const auto& fd : members_) {
    result.push_back(fd.get());
  }
  return result;
}

bool Cgroup::out_of_memory() const {
  if (memory_.empty()) {
    return false;
  }
  const auto text = read_value(memory_ + (host_.unified ? "/memory.events" : "/memory.oom_control"));
  const auto at = text.find("oom_kill ");
  return at != std::string::npos && std::strtoull(text.c_str() + at + 9, nullptr, 10) > 0;
}

std::uint64_t Cgroup::peak_memory() const {
  if (memory_.empty()) {
    return 0;
  }
  const auto text = read_value(memory_ + (host_.unified ? "/memory.peak" : "/memory.max_usage_in_bytes"));
  return std::strtoull(text.c_str(), nullptr, 10);
}

void reap_cgroups() {
  for (const auto& hierarchy : hierarchies(look_at_cgroups())) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(hierarchy, ignored)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(kPrefix)) {
        continue;
      }
      const auto end = name.find('-', kPrefix.size());
      const auto last = name.rfind('-');
      const std::string pid = name.substr(kPrefix.size(), end - kPrefix.size());
      if (end == std::string::npos || last <= end || start_time(pid) != name.substr(end + 1, last - end - 1)) {
        ::rmdir((entry.path().string() + std::string(kRuntimesPart)).c_str());
        ::rmdir(entry.path().c_str());
      }
    }
  }
}

}  // namespace dlc::sandbox
