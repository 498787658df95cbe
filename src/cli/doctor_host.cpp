// The machine's own part of `dlc doctor`: kernel, runtimes, store, memory, limits, programs.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "base/user_namespace.h"
#include "cli/doctor_checks.h"
#include "cli/progress_view.h"

namespace dlc::cli::doctor {

namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kGiB = 1U << 30;

/// Small files of /proc and /sys; empty where they cannot be read.
std::string read_or_empty(const std::string& path) {
  try {
    return read_file(path, kMiB);
  } catch (const Error&) {
    return {};
  }
}

std::uint64_t number_or(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? value : otherwise;
}

/// "6.18": enough to compare, and all that a person wants to see.
std::pair<int, int> kernel_version(std::string_view release) {
  const auto dot = release.find('.');
  return {static_cast<int>(number_or(release, 0)),
          dot == std::string_view::npos ? 0 : static_cast<int>(number_or(release.substr(dot + 1), 0))};
}

bool lists_overlay(std::string_view filesystems) {
  const auto at = filesystems.find("\toverlay\n");
  return at != std::string_view::npos;
}

std::uint64_t limit_of(__rlimit_resource resource) {
  rlimit limit{};
  return getrlimit(resource, &limit) == 0 ? limit.rlim_max : RLIM_INFINITY;
}

std::string file_system_name(std::uint64_t magic) {
  struct Known {
    std::uint64_t magic;
    const char* name;
  };
  constexpr std::array kKnown = {Known{0x794c7630, "overlay"}, Known{0x6969, "nfs"},       Known{0xff534d42, "cifs"},
                                 Known{0xfe534d42, "smb2"},    Known{0x01021994, "tmpfs"}, Known{0xef53, "ext4"},
                                 Known{0x58465342, "xfs"},     Known{0x9123683e, "btrfs"}, Known{0x65735546, "fuse"},
                                 Known{0x6a656a63, "9p"},      Known{0x2fc12fc1, "zfs"}};
  const auto found =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& known) { return known.magic == magic; });
  return found == kKnown.end() ? std::string() : found->name;
}

bool is_network_file_system(std::string_view name) {
  return name == "nfs" || name == "cifs" || name == "smb2" || name == "9p";
}

}  // namespace

Kernel look_at_kernel() {
  Kernel kernel;
  utsname names{};
  if (uname(&names) == 0) {
    kernel.release = names.release;
  }
  kernel.filesystems = read_or_empty("/proc/filesystems");
  kernel.user_namespaces = number_or(read_or_empty("/proc/sys/user/max_user_namespaces"), 0);
  if (number_or(read_or_empty("/proc/sys/kernel/unprivileged_userns_clone"), 1) == 0 && geteuid() != 0) {
    kernel.user_namespaces = 0;
  }
  std::error_code ignored;
  kernel.overlay_module = std::filesystem::exists("/lib/modules/" + kernel.release + "/kernel/fs/overlayfs", ignored);
  kernel.root = geteuid() == 0;
  return kernel;
}

Finding judge(const Kernel& kernel) {
  const auto [major, minor] = kernel_version(kernel.release);
  const bool overlay = lists_overlay(kernel.filesystems);
  const std::string text = fmt::format("kernel {}.{}, {}, {}", major, minor, overlay ? "overlay" : "no overlay loaded",
                                       kernel.user_namespaces > 0 ? "user namespaces" : "no user namespaces");
  constexpr std::pair kOldest(5, 12);  // mount_setattr(2), the youngest call that the sandbox makes
  if (std::pair(major, minor) < kOldest) {
    return {"kernel", Health::bad, text, "needs Linux 5.12 or newer (Debian 12 has 6.1)"};
  }
  if (!overlay && !kernel.overlay_module) {
    return {"kernel", Health::warning, text,
            "load or build in the overlay file system (modprobe overlay); without it snapshots are copied"};
  }
  if (kernel.user_namespaces == 0 && !kernel.root) {
    return {"kernel", Health::bad, text,
            "run as root, or allow user namespaces: sysctl user.max_user_namespaces=65536 "
            "kernel.unprivileged_userns_clone=1"};
  }
  return {"kernel", Health::good, text, ""};
}

Runtimes look_at_runtimes(const std::string& wanted) {
  Runtimes runtimes;
  runtimes.wanted = wanted;
  for (const char* name : {"crun", "runc"}) {
    Runtimes::Program program{name, ""};
    if (find_program(name)) {
      program.version = "?";
      const CommandResult result = run_command({name, "--version"});
      constexpr std::string_view kMark = "version ";
      if (const auto at = result.output.find(kMark); result.status == 0 && at != std::string::npos) {
        const auto begin = at + kMark.size();
        program.version = result.output.substr(begin, result.output.find_first_of(" \n", begin) - begin);
      }
    }
    runtimes.programs.push_back(std::move(program));
  }
  constexpr auto kCgroup2 = 0x63677270;
  struct statfs status{};
  const auto is_cgroup2 = [&](const char* path) { return statfs(path, &status) == 0 && status.f_type == kCgroup2; };
  std::error_code ignored;
  runtimes.cgroups = is_cgroup2("/sys/fs/cgroup")                                             ? Cgroups::unified
                     : is_cgroup2("/sys/fs/cgroup/unified")                                   ? Cgroups::hybrid
                     : std::filesystem::exists("/sys/fs/cgroup/memory/cgroup.procs", ignored) ? Cgroups::legacy
                                                                                              : Cgroups::none;
  return runtimes;
}

Finding judge(const Runtimes& runtimes) {
  std::string found;
  bool has_wanted = runtimes.wanted.empty() || runtimes.wanted.find('/') != std::string::npos;
  for (const auto& [name, version] : runtimes.programs) {
    if (!version.empty()) {
      found += (found.empty() ? "" : ", ") + name + " " + version;
      has_wanted = has_wanted || name == runtimes.wanted;
    }
  }
  if (found.empty()) {
    return {"runtime", Health::bad, "no container runtime: neither crun nor runc", "apt-get install crun"};
  }
  if (!has_wanted) {
    return {"runtime", Health::bad, fmt::format("the runtime \"{}\" is not installed ({})", runtimes.wanted, found),
            "install it, or leave out --runtime and DLC_RUNTIME"};
  }
  switch (runtimes.cgroups) {
    case Cgroups::unified:
      return {"runtime", Health::good, found + " (cgroups: v2)", ""};
    case Cgroups::hybrid:
      return {"runtime", Health::good, found + " (cgroups: hybrid; run in a private view)", ""};
    case Cgroups::legacy:
      return {"runtime", Health::good, found + " (cgroups: v1)", ""};
    case Cgroups::none:
      break;
  }
  return {"runtime", Health::warning, found + " (no cgroups: memory and CPU limits have no effect)",
          "mount them: mount -t cgroup2 none /sys/fs/cgroup"};
}

StoreSpace look_at_store(const std::filesystem::path& directory) {
  StoreSpace space;
  space.directory = directory;
  std::error_code ignored;
  std::filesystem::path there = std::filesystem::absolute(directory, ignored);
  while (!std::filesystem::is_directory(there, ignored) && there != there.parent_path()) {
    there = there.parent_path();
  }
  struct statvfs status{};
  struct statfs type{};
  if (statvfs(there.c_str(), &status) != 0 || statfs(there.c_str(), &type) != 0) {
    throw system_error("cannot look at " + there.string());
  }
  space.free = std::uint64_t{status.f_bavail} * status.f_frsize;
  space.inodes = status.f_favail;
  space.counts_inodes = status.f_files != 0;
  space.filesystem = file_system_name(static_cast<std::uint32_t>(type.f_type));
  space.writable = access(there.c_str(), W_OK) == 0;
  const auto format = read_or_empty(directory / "format");
  space.copies = format.find("\"overlay\":\"copy\"") != std::string::npos;
  return space;
}

Users look_at_users() {
  Users users;
  users.root = geteuid() == 0;
  if (const auto obstacle = user_namespace_obstacle()) {
    users.obstacle = obstacle->message();
    users.remedy = obstacle->hint();
  }
  return users;
}

Finding judge(const Users& users) {
  if (users.root) {
    return {"user", Health::good, "runs as root", ""};
  }
  if (!users.obstacle.empty()) {
    return {"user", Health::bad, users.obstacle, users.remedy};
  }
  return {"user", Health::good, "an ordinary user with subordinate ids", ""};
}

Finding judge(const StoreSpace& space) {
  constexpr std::uint64_t kLeast = 2 * kGiB;
  constexpr std::uint64_t kComfortable = 10 * kGiB;
  constexpr std::uint64_t kInodes = 100'000;
  const std::string name = space.filesystem.empty() ? "" : ", " + space.filesystem;
  const std::string text = fmt::format("{} free in the store ({}{})", format_bytes(space.free), space.directory, name);
  if (!space.writable) {
    return {"store", Health::bad, "no right to write to " + space.directory, "name another directory: --store DIR"};
  }
  if (is_network_file_system(space.filesystem)) {
    return {"store", Health::bad, text,
            "a network file system cannot hold a store; name a local directory: --store DIR"};
  }
  if (space.free < kLeast) {
    return {"store", Health::bad, text, "free some: dlc store gc; or name a larger disk: --store DIR"};
  }
  if (space.counts_inodes && space.inodes < kInodes) {
    return {"store", Health::bad, fmt::format("{}; only {} more files fit", text, space.inodes),
            "name a file system with more inodes: --store DIR"};
  }
  if (space.free < kComfortable) {
    return {"store", Health::warning, text, "large images need 10 GB and more: dlc store gc, or --store DIR"};
  }
  if (space.copies || space.filesystem == "overlay") {
    return {"store", Health::warning,
            text + ": it carries no overlays, so files are copied for each step, which is slow",
            "name a directory on a plain disk (ext4, xfs, btrfs): --store DIR"};
  }
  return {"store", Health::good, text, ""};
}

Memory parse_meminfo(std::string_view text) {
  const auto value_of = [&](std::string_view key) {
    const auto at = text.find(key);
    if (at == std::string_view::npos) {
      return std::uint64_t{0};
    }
    const auto rest = text.substr(at + key.size());
    const auto digit = rest.find_first_not_of(' ');
    constexpr std::uint64_t kKiB = 1024;
    return digit == std::string_view::npos ? 0 : number_or(rest.substr(digit), 0) * kKiB;
  };
  return {value_of("MemAvailable:"), value_of("MemTotal:")};
}

Memory look_at_memory() {
  Memory memory = parse_meminfo(read_or_empty("/proc/meminfo"));
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  const std::uint64_t limit = std::min(number_or(read_or_empty("/sys/fs/cgroup/memory.max"), kNone),
                                       number_or(read_or_empty("/sys/fs/cgroup/memory/memory.limit_in_bytes"), kNone));
  memory.total = std::min(memory.total, limit);
  memory.available = std::min(memory.available, limit);
  return memory;
}

Finding judge(const Memory& memory) {
  const std::string text =
      fmt::format("{} of {} memory available", format_bytes(memory.available), format_bytes(memory.total));
  if (memory.total == 0) {
    return {"memory", Health::warning, "the machine does not say how much memory it has", "mount /proc"};
  }
  if (memory.available < kGiB / 2) {
    return {"memory", Health::bad, text, "end other programs, or use a larger machine: builds need 2 GB and more"};
  }
  if (memory.available < 2 * kGiB) {
    return {"memory", Health::warning, text,
            "installing large frameworks takes 2 GB and more: build one image at a time"};
  }
  return {"memory", Health::good, text, ""};
}

Limits look_at_limits() {
  return {limit_of(RLIMIT_NOFILE), limit_of(RLIMIT_NPROC)};
}

Finding judge(const Limits& limits) {
  const auto shown = [](std::uint64_t value) { return value == RLIM_INFINITY ? "unlimited" : std::to_string(value); };
  const std::string text =
      fmt::format("limits: {} open files, {} processes", shown(limits.files), shown(limits.processes));
  constexpr std::uint64_t kFewestFiles = 1024;
  constexpr std::uint64_t kFewestProcesses = 512;
  if (limits.files < kFewestFiles || limits.processes < kFewestProcesses) {
    return {"limits", Health::bad, text, "raise the hard limits (/etc/security/limits.conf, or ulimit -Hn and -Hu)"};
  }
  constexpr std::uint64_t kFiles = 4096;
  if (limits.files < kFiles) {
    return {"limits", Health::warning, text, "compilers and servers in RUN steps may want more: ulimit -Hn 20000"};
  }
  return {"limits", Health::good, text, ""};
}

Tools look_at_tools() {
  Tools tools;
  for (const char* name : {"mmdebstrap", "git"}) {
    if (!find_program(name)) {
      tools.missing.emplace_back(name);
    }
  }
  return tools;
}

Finding judge(const Tools& tools) {
  if (tools.missing.empty()) {
    return {"tools", Health::good, "mmdebstrap (base images) and git", ""};
  }
  std::string names;
  for (const std::string& name : tools.missing) {
    names += (names.empty() ? "" : " ") + name;
  }
  return {"tools", Health::warning, "not installed: " + names, "apt-get install " + names};
}

}  // namespace dlc::cli::doctor
