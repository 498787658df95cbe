#include "sandbox/runtime_config.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/user_namespace.h"
#include "sandbox/seccomp.h"

namespace dlc::sandbox {

namespace {

using nlohmann::json;

/// Docker's default set (moby, `oci/caps/defaults.go`, as its documentation lists it).
constexpr std::array<std::string_view, 14> kDefaultCapabilities{
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE"};

/// By number, linux/capability.h.
constexpr std::array<std::string_view, 41> kAllCapabilities{"CAP_CHOWN",
                                                            "CAP_DAC_OVERRIDE",
                                                            "CAP_DAC_READ_SEARCH",
                                                            "CAP_FOWNER",
                                                            "CAP_FSETID",
                                                            "CAP_KILL",
                                                            "CAP_SETGID",
                                                            "CAP_SETUID",
                                                            "CAP_SETPCAP",
                                                            "CAP_LINUX_IMMUTABLE",
                                                            "CAP_NET_BIND_SERVICE",
                                                            "CAP_NET_BROADCAST",
                                                            "CAP_NET_ADMIN",
                                                            "CAP_NET_RAW",
                                                            "CAP_IPC_LOCK",
                                                            "CAP_IPC_OWNER",
                                                            "CAP_SYS_MODULE",
                                                            "CAP_SYS_RAWIO",
                                                            "CAP_SYS_CHROOT",
                                                            "CAP_SYS_PTRACE",
                                                            "CAP_SYS_PACCT",
                                                            "CAP_SYS_ADMIN",
                                                            "CAP_SYS_BOOT",
                                                            "CAP_SYS_NICE",
                                                            "CAP_SYS_RESOURCE",
                                                            "CAP_SYS_TIME",
                                                            "CAP_SYS_TTY_CONFIG",
                                                            "CAP_MKNOD",
                                                            "CAP_LEASE",
                                                            "CAP_AUDIT_WRITE",
                                                            "CAP_AUDIT_CONTROL",
                                                            "CAP_SETFCAP",
                                                            "CAP_MAC_OVERRIDE",
                                                            "CAP_MAC_ADMIN",
                                                            "CAP_SYSLOG",
                                                            "CAP_WAKE_ALARM",
                                                            "CAP_BLOCK_SUSPEND",
                                                            "CAP_AUDIT_READ",
                                                            "CAP_PERFMON",
                                                            "CAP_BPF",
                                                            "CAP_CHECKPOINT_RESTORE"};

constexpr std::array<std::string_view, 11> kMaskedPaths{"/proc/acpi",
                                                        "/proc/asound",
                                                        "/proc/kcore",
                                                        "/proc/keys",
                                                        "/proc/latency_stats",
                                                        "/proc/sched_debug",
                                                        "/proc/scsi",
                                                        "/proc/timer_list",
                                                        "/proc/timer_stats",
                                                        "/sys/firmware",
                                                        "/sys/devices/virtual/powercap"};

constexpr std::array<std::string_view, 5> kReadOnlyPaths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                         "/proc/sysrq-trigger"};

/// The device nodes of a container. They are bound from the host one by one onto a /dev without devices, like the root:
/// a node that a container makes itself (it has CAP_MKNOD) opens nothing, without a device cgroup.
constexpr std::array<const char*, 6> kDevices{"/dev/null",   "/dev/zero",    "/dev/full",
                                              "/dev/random", "/dev/urandom", "/dev/tty"};

json capabilities(const ContainerSpec& spec, const UserIds& user) {
  json set = json::array();
  if (spec.insecure) {
    for (std::size_t number = 0; number < kAllCapabilities.size(); ++number) {
      // Only those that this process may itself have: a runtime refuses to grant others.
      if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) {
        set.push_back(kAllCapabilities.at(number));
      }
    }
  } else {
    for (const auto name : kDefaultCapabilities) {
      if (name != "CAP_NET_RAW" || spec.network == Network::none) {
        set.push_back(name);
      }
    }
  }
  // Another user starts without any and may gain them only through files of the image, up to the bounding set.
  const json active = user.uid == 0 ? set : json::array();
  return {{"bounding", set},
          {"effective", active},
          {"permitted", active},
          {"inheritable", json::array()},
          {"ambient", json::array()}};
}

json mount(std::string_view type, std::string_view source, std::string_view target, std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

json mounts(const ContainerSpec& spec, const ConfigInput& input) {
  json list = json::array();
  list.push_back(mount("proc", "proc", "/proc", {"nosuid", "noexec", "nodev"}));
  list.push_back(mount("tmpfs", "tmpfs", "/dev", {"nosuid", "nodev", "strictatime", "mode=755", "size=65536k"}));
  for (const char* device : kDevices) {
    list.push_back(mount("bind", device, device, {"bind", "rw", "nosuid", "noexec"}));
  }
  list.push_back(mount("devpts", "devpts", "/dev/pts",
                       {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  const auto shm = spec.shm_size != 0 ? spec.shm_size : 64U << 20;
  list.push_back(
      mount("tmpfs", "shm", "/dev/shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(shm)}));
  list.push_back(mount("mqueue", "mqueue", "/dev/mqueue", {"nosuid", "noexec", "nodev"}));
  std::vector<std::string> sys{"nosuid", "noexec", "nodev"};
  if (!spec.insecure) {
    sys.emplace_back("ro");
  }
  if (in_user_namespace() && spec.network == Network::host) {
    sys.emplace_back("rbind");  // sysfs shows a network, and this one is not ours to show
    list.push_back(mount("bind", "/sys", "/sys", sys));
  } else {
    list.push_back(mount("sysfs", "sysfs", "/sys", sys));
  }
  for (const auto& extra : input.mounts) {
    list.push_back(mount(extra.type, extra.source, extra.target, extra.options));
  }
  return list;
}

struct Limit {
  std::string_view name;
  int resource;
};

constexpr std::array<Limit, 15> kLimits{{{"core", RLIMIT_CORE},
                                         {"cpu", RLIMIT_CPU},
                                         {"data", RLIMIT_DATA},
                                         {"fsize", RLIMIT_FSIZE},
                                         {"locks", RLIMIT_LOCKS},
                                         {"memlock", RLIMIT_MEMLOCK},
                                         {"msgqueue", RLIMIT_MSGQUEUE},
                                         {"nice", RLIMIT_NICE},
                                         {"nofile", RLIMIT_NOFILE},
                                         {"nproc", RLIMIT_NPROC},
                                         {"rss", RLIMIT_RSS},
                                         {"rtprio", RLIMIT_RTPRIO},
                                         {"rttime", RLIMIT_RTTIME},
                                         {"sigpending", RLIMIT_SIGPENDING},
                                         {"stack", RLIMIT_STACK}}};

const Limit* find_limit(std::string_view name) {
  const auto found = std::ranges::find(kLimits, name, &Limit::name);
  return found == kLimits.end() ? nullptr : &*found;
}

json rlimits(const ContainerSpec& spec) {
  json list = json::array();
  for (const auto& [name, values] : spec.ulimits) {
    const auto* known = find_limit(name);
    if (known == nullptr) {
      throw Error(ErrorKind::invalid, "unknown ulimit " + name);
    }
    rlimit host{};
    ::getrlimit(static_cast<__rlimit_resource>(known->resource), &host);
    // Raising a hard limit needs CAP_SYS_RESOURCE, which root in a virtual machine may lack.
    const auto hard = std::min<std::uint64_t>(values.second, host.rlim_max);
    std::string type = "RLIMIT_" + name;
    std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::toupper(c); });
    list.push_back({{"type", type}, {"soft", std::min<std::uint64_t>(values.first, hard)}, {"hard", hard}});
  }
  return list;
}

json process(const ContainerSpec& spec, const ConfigInput& input) {
  std::vector<std::uint32_t> groups{input.user.gid};
  for (const auto group : input.user.groups) {
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) {
      groups.push_back(group);
    }
  }
  json result{{"terminal", spec.terminal},
              {"user", {{"uid", input.user.uid}, {"gid", input.user.gid}, {"umask", 022}, {"additionalGids", groups}}},
              {"args", spec.argv},
              {"env", input.env},
              {"cwd", spec.cwd},
              {"capabilities", capabilities(spec, input.user)},
              {"noNewPrivileges", false}};
  if (!spec.ulimits.empty()) {
    result["rlimits"] = rlimits(spec);
  }
  return result;
}

json confinement(const ContainerSpec& spec, const ConfigInput& input) {
  json namespaces = json::array({{{"type", "pid"}}, {{"type", "ipc"}}, {{"type", "uts"}}, {{"type", "mount"}}});
  if (spec.network == Network::none) {
    namespaces.push_back({{"type", "network"}});
  }
  json result{{"namespaces", namespaces}};
  if (!input.cgroup.empty()) {
    result["cgroupsPath"] = input.cgroup;
  }
  if (!spec.insecure) {
    result["maskedPaths"] = kMaskedPaths;
    result["readonlyPaths"] = kReadOnlyPaths;
    result["seccomp"] = json::parse(seccomp_profile());
  }
  return result;
}

/// A device node as the runtime-spec wants it, with the numbers of the host's.
json device_node(const DeviceNode& node) {
  const auto& host = node.host_path.empty() ? node.path : node.host_path;
  struct stat info{};
  if (::stat(host.c_str(), &info) != 0) {
    throw system_error("device " + host);
  }
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
    throw Error(ErrorKind::invalid, "device " + host + " is no device node");
  }
  return {{"path", node.path},
          {"type", S_ISCHR(info.st_mode) ? "c" : "b"},
          {"major", major(info.st_rdev)},
          {"minor", minor(info.st_rdev)},
          {"fileMode", node.mode.value_or(info.st_mode & 07777U)},
          {"uid", node.uid.value_or(info.st_uid)},
          {"gid", node.gid.value_or(info.st_gid)}};
}

json hook_json(const DeviceHook& hook) {
  json result{{"path", hook.path}};
  if (!hook.args.empty()) {
    result["args"] = hook.args;
  }
  if (!hook.env.empty()) {
    result["env"] = hook.env;
  }
  if (hook.timeout) {
    result["timeout"] = *hook.timeout;
  }
  return result;
}

/// What devices need beyond what the container has (CDI, "containerEdits").
void add_device(json& config, const DeviceEdits& edits) {
  for (const auto& line : edits.env) {
    auto& env = config["process"]["env"];
    const auto prefix = line.substr(0, line.find('=') + 1);
    const auto known = std::find_if(
        env.begin(), env.end(), [&](const json& old) { return old.get_ref<const std::string&>().starts_with(prefix); });
    if (known == env.end()) {
      env.push_back(line);
    } else {
      *known = line;
    }
  }
  for (const auto& node : edits.nodes) {
    config["linux"]["devices"].push_back(device_node(node));
  }
  for (const auto& hook : edits.hooks) {
    config["hooks"][hook.name].push_back(hook_json(hook));
  }
  for (const auto group : edits.groups) {
    config["process"]["user"]["additionalGids"].push_back(group);
  }
}

}  // namespace

bool is_limit(std::string_view name) {
  return find_limit(name) != nullptr;
}

std::string runtime_config(const ContainerSpec& spec, const ConfigInput& input) {
  json config{{"ociVersion", "1.0.0"},
              {"process", process(spec, input)},
              {"root", {{"path", input.root}, {"readonly", spec.read_only}}},
              {"hostname", spec.hostname},
              {"mounts", mounts(spec, input)},
              {"linux", confinement(spec, input)}};
  for (const auto& edits : spec.devices) {
    add_device(config, edits);
  }
  // A value that is not UTF-8 (an ENV of an image may hold any bytes) cannot be said in JSON.
  try {
    return config.dump();
  } catch (const json::exception&) {
    throw Error(ErrorKind::unsupported, "the command, environment or paths of the container are not valid UTF-8");
  }
}

}  // namespace dlc::sandbox
