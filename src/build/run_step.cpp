// RUN: the command in a sandbox over the parent file system, with its mounts, secrets and agents.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/stop.h"
#include "build/agent_socket.h"
#include "build/cdi.h"
#include "build/context_tree.h"
#include "build/copier.h"
#include "build/selection.h"
#include "build/step.h"
#include "sandbox/emulation.h"

namespace dlc::build {

namespace {

constexpr std::string_view kDefaultSecretFolder = "/run/secrets/";

std::string shell_words(const std::vector<std::string>& argv) {
  std::string text;
  for (const auto& word : argv) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

/// What the mounts of one step need while it runs; everything is undone by the destructor.
class StepMounts {
 public:
  StepMounts(const StepContext& context, const RunOp& op)
      : context_(context), private_(sandbox::run_directory(), "step-") {
    for (const auto& mount : op.mounts) {
      add(mount);
    }
    for (const auto& file : op.inline_files) {
      const auto path = write_private(file.data, 0755, 0, 0);
      mounts_.push_back({.source = path, .target = "/dev/pipes/" + file.name});
    }
    // Parents before children, whatever the order they were written in.
    const auto depth = [](const sandbox::ContainerMount& mount) {
      return std::count(mount.target.begin(), mount.target.end(), '/');
    };
    std::stable_sort(mounts_.begin(), mounts_.end(), [&](const auto& a, const auto& b) { return depth(a) < depth(b); });
  }

  [[nodiscard]] const std::vector<sandbox::ContainerMount>& mounts() const { return mounts_; }
  [[nodiscard]] const std::vector<std::string>& env() const { return env_; }

 private:
  void add(const Mount& mount) {
    switch (mount.type) {
      case Mount::Type::bind:
        add_bind(mount);
        break;
      case Mount::Type::cache:
        add_cache(mount);
        break;
      case Mount::Type::tmpfs:
        mounts_.push_back({.type = sandbox::ContainerMount::Type::tmpfs,
                           .source = {},
                           .target = mount.target,
                           .read_only = false,
                           .size = mount.size});
        break;
      case Mount::Type::secret:
        add_secret(mount);
        break;
      case Mount::Type::ssh:
        add_agent(mount);
        break;
    }
  }

  std::string write_private(std::string_view data, mode_t mode, uid_t uid, gid_t gid) {
    const auto path = (private_.path() / std::to_string(files_++)).string();
    UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    write_full(fd.get(), data, path);
    if (::fchown(fd.get(), uid, gid) != 0 || ::fchmod(fd.get(), mode) != 0) {
      throw system_error("set the owner and mode of " + path);
    }
    return path;
  }

  /// A directory in the store that goes away with the step.
  std::filesystem::path scratch_directory() {
    scratch_.push_back(context_.store.make_temporary_directory());
    return scratch_.back().path();
  }

  /// The host path of a source inside an input; links are followed inside it only.
  std::string source_path(const std::filesystem::path& root, const Tree& tree, const std::string& source) {
    const auto resolved = resolve(tree, source, Missing::fail);
    if (!resolved || !tree.lstat(*resolved)) {
      throw not_found(tree, clean_relative(source));
    }
    return resolved->empty() ? root.string() : (root / *resolved).string();
  }

  /// A host path that shows the mount's source, read-only as it is.
  std::string input_path(const Mount& mount) {
    if (mount.input < 0) {
      return scratch_directory().string();
    }
    const auto& input = context_.inputs.at(static_cast<std::size_t>(mount.input));
    if (input.chain) {
      chains_.push_back(std::make_unique<MountedChain>(context_.store, *input.chain));
      const RootTree tree(chains_.back()->path());
      return source_path(chains_.back()->path(), tree, mount.source);
    }
    const auto* local = dynamic_cast<const ContextTree*>(input.tree.get());
    if (local != nullptr && !local->plain_directory().empty()) {
      return source_path(local->plain_directory(), *input.tree, mount.source);
    }
    // A tree that is no directory of the host as it stands (ignored files, placed files): a copy of what is named.
    const auto copy = scratch_directory();
    const RootTree root(copy);
    const auto selected = select(*input.tree, {.input = 0, .path = mount.source, .unpack = false}, false);
    Copier copier(root, {});
    const bool directory = selected.at(0).node.type == Node::Type::directory;
    copier.copy(*input.tree, selected.at(0), directory ? "/" : "/file", false);
    return directory ? copy.string() : (copy / "file").string();
  }

  void add_bind(const Mount& mount) {
    auto source = input_path(mount);
    if (mount.read_write) {
      source = writable_view(source);
    }
    mounts_.push_back({.source = source, .target = mount.target, .read_only = !mount.read_write});
  }

  /// Changes go to a directory that is thrown away.
  std::string writable_view(const std::string& source) {
    const auto directory = scratch_directory();
    if (!std::filesystem::is_directory(source)) {
      std::filesystem::copy_file(source, directory / "file");
      return (directory / "file").string();
    }
    std::filesystem::create_directory(directory / "upper");
    std::filesystem::create_directory(directory / "work");
    views_.emplace_back(sandbox::Stack{.lowers = {source},
                                       .upper = directory / "upper",
                                       .work = directory / "work",
                                       .mode = context_.store.layers().mode()});
    return views_.back().path().string();
  }

  void add_cache(const Mount& mount) {
    const auto folder = context_.store.directory() / "caches";
    std::filesystem::create_directories(folder);
    const auto name = codec::sha256(mount.id.empty() ? mount.target : mount.id).hex();
    auto place = folder / name;
    if (mount.sharing != Mount::Sharing::shared) {
      UniqueFd lock = open_file((folder / (name + ".lock")).string(), O_RDWR | O_CREAT, 0600);
      if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (mount.sharing == Mount::Sharing::private_) {
          place = scratch_directory();
        } else {
          wait_for(lock.get(), mount);
        }
      }
      locks_.push_back(std::move(lock));
    }
    if (!std::filesystem::exists(place / "data")) {
      make_cache(mount, place);
    }
    mounts_.push_back({.source = (place / "data").string(), .target = mount.target, .read_only = !mount.read_write});
  }

  void wait_for(int lock, const Mount& mount) {
    context_.activity.log(LogStream::err, "waiting for the cache " + mount.id + ", which another step uses\n");
    constexpr std::chrono::milliseconds kInterval{20};
    while (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EINTR && errno != EWOULDBLOCK) {
        throw system_error("lock the cache " + mount.id);
      }
      check_stop(context_.stop);
      std::this_thread::sleep_for(kInterval);
    }
  }

  /// A new cache directory, with the content of the mount's `from` where it has one. Appears whole or not at all.
  void make_cache(const Mount& mount, const std::filesystem::path& place) {
    std::filesystem::create_directories(place);
    TemporaryDirectory fresh(place, "new-");
    if (mount.input >= 0) {
      const RootTree root(fresh.path());
      const RootTree from(input_path(mount));
      Copier copier(root, {});
      copier.copy(from, select(from, {.input = 0, .path = "", .unpack = false}, false).at(0), "/", false);
    }
    if (::chown(fresh.path().c_str(), mount.uid, mount.gid) != 0 ||
        ::chmod(fresh.path().c_str(), mount.mode.value_or(0755)) != 0) {
      throw system_error("set the owner and mode of the cache " + mount.id);
    }
    if (::rename(fresh.path().c_str(), (place / "data").c_str()) == 0) {
      fresh.release();
    } else if (errno != EEXIST && errno != ENOTEMPTY) {  // else another step made it first
      throw system_error("create the cache " + mount.id);
    }
  }

  void add_secret(const Mount& mount) {
    const auto found = context_.options.secrets.find(mount.id);
    if (found == context_.options.secrets.end()) {
      if (mount.required) {
        throw Error(ErrorKind::invalid, "secret " + mount.id + ": not found")
            .hint("give it with --secret id=" + mount.id + ",src=FILE or ,env=VARIABLE");
      }
      return;
    }
    const auto& value = found->second;
    context_.activity.bus().mask(value);
    if (!mount.env.empty()) {
      env_.push_back(mount.env + "=" + value);
    }
    if (mount.target_set) {
      const auto target = mount.target.empty() ? std::string(kDefaultSecretFolder) + mount.id : mount.target;
      const auto path = write_private(value, mount.mode.value_or(0400), mount.uid, mount.gid);
      mounts_.push_back({.source = path, .target = target});
    }
  }

  void add_agent(const Mount& mount) {
    const auto found = context_.options.ssh.find(mount.id.empty() ? "default" : mount.id);
    if (found == context_.options.ssh.end()) {
      if (mount.required) {
        throw Error(ErrorKind::invalid, "unset ssh forward key " + mount.id).hint("give it with --ssh " + mount.id);
      }
      return;
    }
    const auto target =
        mount.target.empty() ? "/run/buildkit/ssh_agent." + std::to_string(agents_.size()) : mount.target;
    const auto path = (private_.path() / ("agent." + std::to_string(agents_.size()))).string();
    agents_.push_back(
        std::make_unique<AgentSocket>(path, found->second, mount.mode.value_or(0600), mount.uid, mount.gid));
    mounts_.push_back({.source = path, .target = target, .read_only = false});
    if (agents_.size() == 1) {
      env_.push_back("SSH_AUTH_SOCK=" + target);
    }
  }

  const StepContext& context_;
  TemporaryDirectory private_;  // on the private tmpfs: secrets never reach the disk
  int files_ = 0;
  std::vector<std::unique_ptr<AgentSocket>> agents_;
  std::vector<TemporaryDirectory> scratch_;
  std::vector<std::unique_ptr<MountedChain>> chains_;
  std::vector<sandbox::OverlayMount> views_;
  std::vector<UniqueFd> locks_;
  std::vector<sandbox::ContainerMount> mounts_;
  std::vector<std::string> env_;
};

sandbox::ContainerSpec make_spec(const StepContext& context, const RunOp& op, const StepMounts& mounts) {
  sandbox::ContainerSpec spec;
  spec.argv = op.argv;
  spec.env = op.env;
  spec.env.insert(spec.env.end(), op.proxy_env.begin(), op.proxy_env.end());
  spec.env.insert(spec.env.end(), mounts.env().begin(), mounts.env().end());
  spec.cwd = op.cwd.empty() ? "/" : op.cwd;
  spec.user = op.user;
  spec.hostname = op.hostname.empty() ? "buildkitsandbox" : op.hostname;
  spec.mounts = mounts.mounts();
  const bool none =
      op.network == RunOp::Network::none || (op.network == RunOp::Network::default_ && context.options.network_none);
  spec.network = none ? sandbox::Network::none : sandbox::Network::host;
  spec.insecure = op.insecure;
  for (const auto& host : op.extra_hosts) {
    spec.hosts.emplace_back(host.host, host.address);
  }
  if (op.shm_size != 0) {
    spec.shm_size = op.shm_size;
  }
  for (const auto& limit : op.ulimits) {
    spec.ulimits.emplace_back(limit.name, std::pair(limit.soft, limit.hard));
  }
  spec.host_certs = context.options.host_certs;
  return spec;
}

/// Programs say much or little about a full disk ("I/O error" is busybox's word for it).
void explain_full_disk(const std::filesystem::path& store, Error& error) {
  constexpr std::uint64_t kFull = 1U << 20;
  struct statvfs status{};
  if (::statvfs(store.c_str(), &status) != 0) {
    return;
  }
  const auto free = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  if (free < kFull) {
    error.hint("only " + std::to_string(free >> 10U) + " KiB are free where the store is (" + store.string() +
               "): free space with `dlc store gc`, or choose a larger disk with --store");
  }
}

Error step_failed(const RunOp& op, const sandbox::ContainerResult& result) {
  Error error(ErrorKind::failed, "process \"" + shell_words(op.argv) +
                                     "\" did not complete successfully: exit code: " + std::to_string(result.status));
  if (result.out_of_memory) {
    error.hint("the step ran out of memory");
  }
  return error;
}

void check_platform(const RunOp& op) {
  if (op.platform.empty()) {
    return;
  }
  const auto host = oci::host_platform();
  const auto wanted = oci::parse_platform(op.platform);
  const auto found = sandbox::find_emulation(wanted, host);
  if (found.state == sandbox::Emulation::State::missing) {
    throw Error(ErrorKind::unsupported,
                "a step for " + op.platform + " cannot run on this machine, which is " + oci::to_string(host))
        .hint(
            "register an emulator (Debian: apt-get install qemu-user-static binfmt-support), build this platform on "
            "such a machine, or move the work to a stage FROM --platform=$BUILDPLATFORM");
  }
  if (found.state == sandbox::Emulation::State::needs_file) {
    throw Error(ErrorKind::unsupported,
                "the emulator for " + op.platform + ", " + found.interpreter + ", is not visible in root file systems")
        .hint("register it with the flag F (fix binary), as Debian's qemu-user-static does");
  }
}

bool is_allowed(const CdiDevice& device, const std::vector<std::string>& allowed) {
  return is_allowed_by_itself(device) || std::ranges::any_of(allowed, [&](const auto& name) {
           return name == "*" || name == device.kind || name == device.full_name();
         });
}

/// The registered devices that the step asks for, each once. `notes` gets what is wrong without being
/// an error.
std::vector<CdiDevice> find_devices(const RunOp& op, const SolveOptions& options, std::vector<std::string>& notes) {
  std::vector<CdiDevice> found;
  if (op.devices.empty()) {
    return found;
  }
  const auto registered = read_cdi(cdi_directories(), notes);
  for (const auto& request : op.devices) {
    const auto matches = match_cdi(registered, request.name);
    if (matches.empty() && request.required) {
      throw Error(ErrorKind::not_found, "required device \"" + request.name + "\" is not registered")
          .hint("devices are described by CDI files below /etc/cdi or /var/run/cdi");
    }
    if (matches.empty()) {
      notes.push_back("the optional device \"" + request.name + "\" is not registered");
    }
    for (const auto* device : matches) {
      if (!is_allowed(*device, options.devices)) {
        throw Error(ErrorKind::denied, "device " + device->full_name() + " is not allowed")
            .hint("give --allow device, or --allow device=" + device->full_name());
      }
      const bool known =
          std::ranges::any_of(found, [&](const auto& other) { return other.full_name() == device->full_name(); });
      if (!known) {
        found.push_back(*device);
      }
    }
  }
  return found;
}

void add_edits(CdiEdits edits, sandbox::ContainerSpec& spec) {
  spec.devices.push_back(std::move(edits.device));
  for (const auto& mount : edits.mounts) {
    const auto has = [&](const char* option) {
      return std::ranges::find(mount.options, option) != mount.options.end();
    };
    sandbox::ContainerMount added;
    added.type = mount.type == "tmpfs" ? sandbox::ContainerMount::Type::tmpfs : sandbox::ContainerMount::Type::bind;
    added.source = mount.host_path;
    added.target = mount.container_path;
    added.read_only = !has("rw");
    added.no_exec = has("noexec");
    spec.mounts.push_back(std::move(added));
  }
}

void add_devices(const StepContext& context, const RunOp& op, sandbox::ContainerSpec& spec) {
  std::vector<std::string> notes;
  std::set<std::string> files;
  for (auto& device : find_devices(op, context.options, notes)) {
    if (files.insert(device.file).second) {
      add_edits(std::move(device.spec_edits), spec);
    }
    add_edits(std::move(device.edits), spec);
  }
  for (const auto& text : notes) {
    context.activity.log(LogStream::err, "warning: " + text + "\n");
  }
}

}  // namespace

void check_runnable(const RunOp& op, const SolveOptions& options) {
  check_platform(op);
  std::vector<std::string> notes;
  static_cast<void>(find_devices(op, options, notes));
}

store::Layer run_step(const StepContext& context, const RunOp& op) {
  check_runnable(op, context.options);
  const Digest parent = context.inputs.at(0).chain.value();
  auto snapshot = context.store.layers().begin(parent);
  std::optional<TemporaryDirectory> empty;
  {
    const StepMounts mounts(context, op);
    auto spec = make_spec(context, op, mounts);
    add_devices(context, op, spec);
    spec.lowers = context.store.layers().lowers(parent);
    if (spec.lowers.empty()) {
      empty.emplace(sandbox::run_directory(), "empty-");
      spec.lowers.push_back(empty->path());
    }
    spec.upper = snapshot.upper();
    spec.work = snapshot.work();
    spec.snapshots = context.store.layers().mode();
    const auto result = sandbox::run_container(
        context.options.runtime, spec,
        [&](LogStream stream, std::string_view text) { context.activity.log(stream, text); }, context.stop);
    if (result.status != 0) {
      if (context.options.on_failure) {
        context.options.on_failure(context.vertex.name, spec);
      }
      auto error = step_failed(op, result);
      explain_full_disk(context.store.directory(), error);
      throw error;
    }
  }
  return context.store.layers().commit(std::move(snapshot), parent, commit_options(context), &context.activity);
}

}  // namespace dlc::build
