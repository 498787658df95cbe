#include "sandbox/container.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "sandbox/cgroup.h"
#include "sandbox/injected_certificates.h"
#include "sandbox/merged_root.h"
#include "sandbox/mount_api.h"
#include "sandbox/mount_points.h"
#include "sandbox/output_pump.h"
#include "sandbox/overlay.h"
#include "sandbox/rooted.h"
#include "sandbox/runtime_config.h"
#include "sandbox/supervisor.h"

namespace dlc::sandbox {

namespace {

namespace fs = std::filesystem;

bool is_below(std::string_view path, std::string_view directory) {
  return path == directory || (path.starts_with(directory) && path.substr(directory.size()).starts_with('/'));
}

/// Places that a file system of the container covers: mount points in them are the runtime's to make.
bool is_covered(std::string_view path) {
  return is_below(path, "/dev") || is_below(path, "/proc") || is_below(path, "/sys");
}

std::string host_resolv_conf() {
  try {
    return read_file("/etc/resolv.conf", 1U << 20);
  } catch (const Error&) {
    return {};
  }
}

std::string hosts_file(const ContainerSpec& spec) {
  std::string text = "127.0.0.1\tlocalhost";
  if (!spec.hostname.empty()) {
    text += " " + spec.hostname;
  }
  text += "\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  for (const auto& [name, address] : spec.hosts) {
    text += address + "\t" + name + "\n";
  }
  return text;
}

std::vector<std::string> environment_with_home(const ContainerSpec& spec, const UserIds& user) {
  auto env = spec.env;
  const bool has_home = std::any_of(env.begin(), env.end(), [](const auto& line) { return line.starts_with("HOME="); });
  if (!has_home) {
    env.push_back("HOME=" + user.home);
  }
  return env;
}

/// A container from its root to its end.
class Container {
 public:
  Container(const Runtime& runtime, const ContainerSpec& spec)
      : runtime_(runtime), spec_(spec), bundle_(run_directory(), "c"), points_(-1, spec.upper) {}

  ContainerResult run(const std::function<void(LogStream, std::string_view)>& on_output, const std::stop_token& stop) {
    try {
      prepare();
      const auto result = execute(on_output, stop);
      merged_->settle();
      clean();
      return result;
    } catch (...) {
      plan_.mounts.clear();
      merged_.reset();
      clean();
      throw;
    }
  }

 private:
  void prepare() {
    auto lowers = spec_.lowers;
    if (spec_.host_certs != HostCerts::off && !host_trust().bodies.empty() && !lowers.empty()) {
      const MergedRoot image({.lowers = lowers, .upper = {}, .work = view_work(), .mode = spec_.snapshots});
      certificates_.emplace(host_trust(), image.mount().get(), make_place("certificates", true));
      lowers.insert(lowers.begin(), certificates_->directory());
    }
    merged_.emplace(Stack{.lowers = lowers, .upper = spec_.upper, .work = spec_.work, .mode = spec_.snapshots});
    const int root = merged_->mount().get();
    plan_.mounts.push_back({clone_mount(root, "", false), make_place("rootfs", true)});
    points_ = MountPoints(root, spec_.upper);
    check_root(root);
    program_is_directory_ = names_directory(root);
    input_.user = resolve_user(root, spec_.user);
    input_.env = environment_with_home(spec_, input_.user);
    if (certificates_ && spec_.host_certs == HostCerts::env) {
      std::ranges::copy(certificates_->variables(input_.env), std::back_inserter(input_.env));
    }
    input_.root = plan_.mounts.front().target;
    add_file("/etc/resolv.conf", host_resolv_conf());
    add_file("/etc/hosts", hosts_file(spec_));
    for (const auto& mount : spec_.mounts) {
      add_mount(mount);
    }
    make_working_directory();
    make_cgroup();
    write_file_atomically(bundle_.path() / "config.json", runtime_config(spec_, input_));
  }

  /// A place for the look at the image before the step.
  [[nodiscard]] fs::path view_work() const {
    if (!views_need_work(spec_.snapshots)) {
      return {};
    }
    const auto place = spec_.work / "image";
    fs::create_directory(place);
    return place;
  }

  /// The runtime mounts on these; a link there would lead it out of the root.
  void check_root(int root) {
    for (const char* name : {"dev", "proc", "sys"}) {
      struct stat status{};
      if (::fstatat(root, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode)) {
        throw Error(ErrorKind::denied, std::string("the image's /") + name + " is not a directory");
      }
      points_.make(std::string("/") + name, true);
    }
  }

  /// Whether the program, where a path says which it is, is a directory: crun says of one that it is not there.
  [[nodiscard]] bool names_directory(int root) const {
    if (spec_.argv.empty() || spec_.argv[0].find('/') == std::string::npos) {
      return false;
    }
    const auto path = (fs::path(spec_.cwd) / spec_.argv[0]).string();
    try {
      return try_open_in_root(root, path, O_PATH | O_DIRECTORY).has_value();
    } catch (const Error&) {  // a loop of links, say: the runtime will tell
      return false;
    }
  }

  /// A file or directory of the bundle for the supervisor to attach a mount at.
  std::string make_place(const std::string& name, bool directory) {
    const fs::path path = bundle_.path() / name;
    if (directory) {
      if (::mkdir(path.c_str(), 0755) != 0) {
        throw system_error("create " + path.string());
      }
    } else {
      const UniqueFd made = open_file(path.string(), O_CREAT | O_EXCL | O_WRONLY, 0600);
    }
    return path.string();
  }

  void add_file(const std::string& target, const std::string& text) {
    const fs::path source = bundle_.path() / fs::path(target).filename();
    write_file_atomically(source, text, Durability::volatile_, 0644);
    input_.mounts.push_back(
        {"bind", source.string(), points_.make(target, false), {"bind", "nosuid", "nodev", "noexec"}});
  }

  void add_mount(const ContainerMount& mount) {
    std::vector<std::string> options{"nosuid", "nodev"};
    if (mount.no_exec) {
      options.emplace_back("noexec");
    }
    if (mount.read_only) {
      options.emplace_back("ro");
    }
    if (mount.type == ContainerMount::Type::tmpfs) {
      options.push_back(fmt_mode(mount.mode));
      if (mount.uid != 0 || mount.gid != 0) {
        options.push_back("uid=" + std::to_string(mount.uid));
        options.push_back("gid=" + std::to_string(mount.gid));
      }
      if (mount.size != 0) {
        options.push_back("size=" + std::to_string(mount.size));
      }
      input_.mounts.push_back({"tmpfs", "tmpfs", mount_point(mount.target, true), options});
      return;
    }
    // The source is pinned now: whoever swaps a part of its path for a link later changes nothing.
    UniqueFd source = clone_mount(AT_FDCWD, mount.source, true);
    if (mount.read_only) {
      // Not by the runtime: crun 1.8 first makes the mount points and the working directory that are missing.
      make_read_only(source);
    }
    struct stat status{};
    if (::fstat(source.get(), &status) != 0) {
      throw system_error("stat " + mount.source);
    }
    const bool directory = S_ISDIR(status.st_mode);
    const auto place = make_place("m" + std::to_string(plan_.mounts.size()), directory);
    plan_.mounts.push_back({std::move(source), place});
    options.emplace_back("rbind");
    input_.mounts.push_back({"bind", place, mount_point(mount.target, directory), options});
  }

  static std::string fmt_mode(std::uint32_t mode) {
    std::string digits;
    for (int shift = 9; shift >= 0; shift -= 3) {
      digits += static_cast<char>('0' + ((mode >> static_cast<unsigned>(shift)) & 7U));
    }
    return "mode=" + digits;
  }

  std::string mount_point(const std::string& target, bool directory) {
    return is_covered(target) ? target : points_.make(target, directory);
  }

  void make_working_directory() {
    const auto in_mount = [&](const ConfigMount& mount) { return is_below(spec_.cwd, mount.target); };
    if (!is_covered(spec_.cwd) && std::none_of(input_.mounts.begin(), input_.mounts.end(), in_mount)) {
      points_.make_lasting_directory(spec_.cwd, input_.user.uid, input_.user.gid);
    }
  }

  /// None without need: crun then leaves the hierarchies alone. runc makes groups whatever it is told.
  void make_cgroup() {
    const CgroupLimits limits{.memory = spec_.memory_limit, .cpus = spec_.cpu_limit};
    const bool wanted = limits.memory != 0 || limits.cpus > 0;
    if (!wanted && runtime_.name == "crun") {
      return;
    }
    cgroup_.emplace();
    if (wanted) {
      limited_ = cgroup_->limit(limits);
      plan_.cgroups = cgroup_->members();
      show_cgroup();
    }
    if (runtime_.name != "crun") {
      input_.cgroup = cgroup_->runtimes_path();
    }
  }

  /// The container's own groups at /sys/fs/cgroup, read-only: programs that size themselves by their limits look there.
  void show_cgroup() {
    const std::string root = "/sys/fs/cgroup";
    const auto mounted = [&](const ConfigMount& mount) {
      return is_below(mount.target, root) || is_below(root, mount.target);
    };
    if (std::ranges::any_of(input_.mounts, mounted)) {
      return;  // the user shows others
    }
    if (std::ranges::any_of(cgroup_->views(), [](const auto& view) { return !view.place.empty(); })) {
      input_.mounts.push_back({"tmpfs", "tmpfs", root, {"nosuid", "nodev", "noexec", "mode=755", "size=64k"}});
    }
    for (const auto& view : cgroup_->views()) {
      input_.mounts.push_back({"bind", view.directory, root + view.place, {"bind", "ro", "nosuid", "nodev", "noexec"}});
    }
  }

  [[nodiscard]] std::vector<std::string> runtime_command() const {
    const std::string log = (bundle_.path() / "log").string();
    std::vector<std::string> argv{runtime_.path,  "--root", (run_directory() / runtime_.name).string(), "--log", log,
                                  "--log-format", "json"};
    if (runtime_.name == "crun") {
      argv.emplace_back("--cgroup-manager=disabled");
    }
    for (const auto& part : {std::string("run"), std::string("--bundle"), bundle_.path().string(),
                             "dlc-" + bundle_.path().filename().string()}) {
      argv.push_back(part);
    }
    return argv;
  }

  ContainerResult execute(const std::function<void(LogStream, std::string_view)>& on_output,
                          const std::stop_token& stop) {
    ContainerStreams streams(spec_, input_.user.uid, input_.user.gid);
    plan_.argv = runtime_command();
    plan_.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    plan_.stdio = streams.container_ends();
    plan_.own_session = !spec_.terminal;
    Supervisor supervisor(plan_);
    plan_.mounts.clear();
    streams.close_container_ends();
    const bool stopped = pump(supervisor, streams, spec_, on_output, stop);
    const auto ended = supervisor.wait();
    if (stopped) {
      throw Error(ErrorKind::cancelled, "the container was stopped");
    }
    ContainerResult result{.status = ended.status};
    result.limited = limited_;
    if (cgroup_) {
      result.out_of_memory = cgroup_->out_of_memory();
      result.peak_memory = cgroup_->peak_memory();
    }
    check_log(result);
    return result;
  }

  /// What the runtime itself had to say. A program that cannot be run is the container's failure,
  /// like in a shell (the runtime has said so on the container's standard error).
  void check_log(ContainerResult& result) const {
    const fs::path path = bundle_.path() / "log";
    if (result.status == 0 || !fs::exists(path)) {
      return;
    }
    const auto message = runtime_message(read_file(path, 1U << 20));
    if (message.empty()) {
      return;
    }
    const auto has = [&](std::string_view text) { return message.find(text) != std::string::npos; };
    if (has("executable") || has("exec:") || has("exec ")) {
      const bool denied = has("ermission denied") || has("not permitted") || has("s a directory");
      result.status = denied || program_is_directory_ ? 126 : 127;
      return;
    }
    throw Error(ErrorKind::failed, runtime_.name + ": " + message);
  }

  static std::string runtime_message(std::string_view log) {
    std::string result;
    while (!log.empty()) {
      const auto end = log.find('\n');
      const auto line = nlohmann::json::parse(log.substr(0, end), nullptr, false);
      log = end == std::string_view::npos ? std::string_view{} : log.substr(end + 1);
      if (line.is_object() && line.value("level", "") == "error") {
        result = line.value("msg", "");
      }
    }
    return result;
  }

  void clean() {
    points_.remove();
    if (certificates_) {
      certificates_->remove_from(spec_.upper);
    }
  }

  const Runtime& runtime_;
  const ContainerSpec& spec_;
  TemporaryDirectory bundle_;
  std::optional<MergedRoot> merged_;
  MountPoints points_;
  ConfigInput input_;
  SupervisorPlan plan_;
  std::optional<InjectedCertificates> certificates_;
  std::optional<Cgroup> cgroup_;
  bool limited_ = true;
  bool program_is_directory_ = false;
};

}  // namespace

Runtime find_runtime(std::string_view wanted) {
  if (wanted == "native") {
    throw Error(ErrorKind::unsupported, "dlc has no runtime of its own yet: native is a name for later")
        .hint("leave out --runtime and DLC_RUNTIME (crun is used, else runc), or name one of the two");
  }
  const std::string_view name = wanted.empty() ? "crun" : wanted;
  if (const auto path = find_program(name)) {
    return {fs::path(name).filename().string(), *path};
  }
  if (wanted.empty()) {
    if (const auto path = find_program("runc")) {
      return {"runc", *path};
    }
  }
  throw Error(ErrorKind::not_found, "the container runtime " + std::string(name) + " is not installed")
      .hint("install the package crun (or runc) of your distribution");
}

ContainerResult run_container(const Runtime& runtime, const ContainerSpec& spec,
                              const std::function<void(LogStream, std::string_view)>& on_output, std::stop_token stop) {
  return Container(runtime, spec).run(on_output, stop);
}

}  // namespace dlc::sandbox
