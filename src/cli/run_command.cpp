#include "cli/run_command.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "base/error.h"
#include "base/user_namespace.h"
#include "cli/dispatch.h"
#include "cli/image_lookup.h"
#include "cli/run_options.h"
#include "sandbox/container.h"
#include "sandbox/emulation.h"
#include "sandbox/overlay.h"
#include "store/store.h"

namespace dlc::cli {

namespace {

constexpr int kOurFailure = 125;
constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void note(const std::string& text) {
  std::fputs(("dlc: " + text + "\n").c_str(), stderr);
}

/// Sets a variable; the last value of a name counts, at the place of the first.
void set_variable(std::vector<std::string>& env, const std::string& line) {
  const auto prefix = line.substr(0, line.find('=') + 1);
  const auto known = std::find_if(env.begin(), env.end(), [&](const auto& old) { return old.starts_with(prefix); });
  if (known == env.end()) {
    env.push_back(line);
  } else {
    *known = line;
  }
}

std::vector<std::string> environment(const RunOptions& options, const LocalImage& image, const std::string& hostname) {
  std::vector<std::string> env{kDefaultPath, "HOSTNAME=" + hostname};
  if (options.terminal) {
    env.emplace_back("TERM=xterm");
  }
  for (const auto& line : image.config().env) {
    set_variable(env, line);
  }
  for (const auto& line : options.env) {
    set_variable(env, line);
  }
  return env;
}

std::vector<std::string> command_line(const RunOptions& options, const LocalImage& image) {
  std::vector<std::string> argv;
  if (options.entrypoint) {
    if (!options.entrypoint->empty()) {
      argv.push_back(*options.entrypoint);
    }
  } else if (image.config().entrypoint) {
    argv = *image.config().entrypoint;
  }
  if (!options.command.empty()) {
    argv.insert(argv.end(), options.command.begin(), options.command.end());
  } else if (!options.entrypoint && image.config().cmd) {
    argv.insert(argv.end(), image.config().cmd->begin(), image.config().cmd->end());
  }
  if (argv.empty()) {
    throw Error(ErrorKind::usage, "no command: the image names none and none was given")
        .hint(fmt::format("dlc run {} COMMAND", options.image));
  }
  return argv;
}

/// Twelve hexadecimal digits, as Docker's container names.
std::string random_name() {
  std::array<unsigned char, 6> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw system_error("getrandom");
  }
  std::string name;
  for (const auto byte : bytes) {
    name += fmt::format("{:02x}", byte);
  }
  return name;
}

sandbox::ContainerSpec make_spec(const RunOptions& options, const LocalImage& image) {
  sandbox::ContainerSpec spec;
  spec.hostname = options.hostname.empty() ? random_name() : options.hostname;
  spec.argv = command_line(options, image);
  spec.env = environment(options, image, spec.hostname);
  spec.cwd = !options.working_dir.empty() ? options.working_dir : image.config().working_dir;
  spec.cwd = spec.cwd.empty() ? "/" : spec.cwd;
  spec.user = options.user.empty() ? image.config().user : options.user;
  spec.mounts = options.mounts;
  spec.network = options.network;
  spec.hosts = options.hosts;
  spec.shm_size = options.shm_size;
  spec.ulimits = options.ulimits;
  spec.host_certs = options.host_certs;
  spec.memory_limit = options.memory;
  spec.cpu_limit = options.cpus;
  spec.terminal = options.terminal;
  spec.interactive = options.interactive;
  spec.inherit_output = true;
  spec.forward_signals = true;
  spec.stop_signal = options.stop_signal.empty() ? image.config().stop_signal : options.stop_signal;
  if (options.stop_timeout) {
    spec.stop_timeout = std::chrono::seconds(*options.stop_timeout);
  }
  spec.read_only = options.read_only;
  return spec;
}

/// An image of another platform needs an emulator; without it the kernel's word, "exec format error", says little.
void check_platform(const LocalImage& image) {
  const auto& platform = image.platforms.at(image.chosen).platform;
  const auto host = oci::host_platform();
  if (sandbox::find_emulation(platform, host).state == sandbox::Emulation::State::missing) {
    throw Error(ErrorKind::unsupported,
                fmt::format("the image is for {}, this machine is {}", oci::to_string(platform), oci::to_string(host)))
        .hint("register an emulator (Debian: apt-get install qemu-user-static binfmt-support)");
  }
}

int run_options(RunOptions options, const GlobalOptions& global) {
  for (const auto& text : options.notes) {
    note(text);
  }
  if (options.terminal && (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0)) {
    note("-t: there is no terminal here");
    options.terminal = false;
  }
  sandbox::enter_private_namespace();  // before the first thread
  const auto runtime = sandbox::find_runtime(global.runtime);
  const auto store = open_store(global.store);
  const auto image =
      find_image(*store, options.image,
                 options.platform.empty() ? std::nullopt : std::optional(oci::parse_platform(options.platform)));
  check_platform(image);
  auto spec = make_spec(options, image);
  const auto chain = unpack_image(*store, image);
  spec.lowers = store->layers().lowers(chain);
  const auto snapshot = store->layers().begin(chain);
  spec.upper = snapshot.upper();
  spec.work = snapshot.work();
  spec.snapshots = store->layers().mode();
  for (const auto& directory : options.directories) {
    const auto source = snapshot.work().parent_path() / fmt::format("volume{}", spec.mounts.size());
    std::filesystem::create_directory(source);
    sandbox::ContainerMount mount;
    mount.source = source.string();
    mount.target = directory;
    mount.read_only = false;
    spec.mounts.push_back(mount);
  }
  const auto result = sandbox::run_container(
      runtime, spec, [](LogStream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }, {});
  if (!result.limited) {
    note(is_ordinary_user() ? "warning: memory and CPUs are not limited: this control group is not yours to divide; "
                              "as root, or where there is systemd: systemd-run --user --scope dlc run ..."
                            : "warning: this host does not let us limit memory or CPUs");
  }
  if (result.out_of_memory) {
    note(fmt::format("the container ran out of its {} MiB of memory", options.memory >> 20U));
  }
  return result.status;
}

}  // namespace

int run_run(std::span<const std::string> arguments, const GlobalOptions& global) {
  try {
    auto options = parse_run_options(arguments);
    return options ? run_options(std::move(*options), global) : 0;
  } catch (const Error& error) {
    std::fputs(render(error).c_str(), stderr);
    return kOurFailure;
  }
}

}  // namespace dlc::cli
