#include "sandbox/overlay.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/user_namespace.h"
#include "sandbox/cgroup.h"
#include "sandbox/mount_api.h"

namespace dlc::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestParameter = 255;  // fsconfig(2) takes no longer string

/// The process's one private tmpfs. Set once by enter_private_namespace, before there are threads.
struct PrivateNamespace {
  bool entered = false;
  fs::path directory;
};

PrivateNamespace& private_namespace() {
  static PrivateNamespace state;
  return state;
}

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void make_directory(const fs::path& path, unsigned mode = 0700) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    throw system_error("create " + path.string());
  }
}

/// Ours, and no link: others may write to /tmp.
bool is_own_directory(const fs::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid();
}

/// Where the private tmpfs goes: the same directory for every process of a user.
fs::path make_base_directory() {
  if (!is_ordinary_user()) {
    make_directory("/run/dlc");
    return "/run/dlc";
  }
  std::vector<fs::path> places;
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe): at start, one thread
  if (runtime != nullptr && runtime[0] == '/') {
    places.push_back(fs::path(runtime) / "dlc");
  }
  const auto ids = id_map_text();  // "0:1000:1,..."
  places.push_back("/tmp/dlc-" + ids.substr(2, ids.find(':', 2) - 2));
  for (const auto& place : places) {
    if (::mkdir(place.c_str(), 0700) == 0 || is_own_directory(place)) {
      return place;
    }
  }
  throw Error(ErrorKind::denied, "no private directory can be made: " + places.back().string() + " is another's")
      .hint("set XDG_RUNTIME_DIR to a directory of yours");
}

/// crun 1.8 refuses to start where cgroup v1 is mounted with a v2 hierarchy beside it that has controllers.
void hide_unified_hierarchy() {
  constexpr const char* kUnified = "/sys/fs/cgroup/unified";
  struct statfs status{};
  if (::statfs(kUnified, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) {
    ::mount("dlc", kUnified, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=4k");
  }
}

/// What the kernel said about a file system context: "overlay: workdir and upperdir must reside under the same mount".
std::string context_log(const UniqueFd& context) {
  std::string text;
  std::array<char, 1024> line{};
  ssize_t count = 0;
  while ((count = ::read(context.get(), line.data(), line.size())) > 0) {
    text += ": ";
    text.append(line.data(), static_cast<std::size_t>(count));
    while (!text.empty() && text.back() == '\n') {
      text.pop_back();
    }
  }
  return text;
}

Error overlay_error(const std::string& log, int error_number) {
  if (error_number == EINVAL) {
    return Error(ErrorKind::unsupported, "the file system of the store cannot carry an overlay" + log)
        .hint("put the store on ext4, xfs, btrfs or tmpfs with --store or DLC_STORE");
  }
  return system_error("mount an overlay" + log, error_number);
}

/// One overlay in the making: where a path is too long or holds characters with a meaning, a link stands for it.
class OverlayParts {
 public:
  OverlayParts() : directory_(run_directory() / ("o" + std::to_string(next_number()))) {}
  ~OverlayParts() {
    if (made_) {
      remove_tree(directory_);
    }
  }
  OverlayParts(const OverlayParts&) = delete;
  OverlayParts& operator=(const OverlayParts&) = delete;

  std::string parameter(const fs::path& path) {
    const auto& text = path.native();
    return text.size() > kLongestParameter || text.find_first_of("\\:,\n") != std::string::npos ? link(path) : text;
  }

  std::string link(const fs::path& path) {
    const fs::path name = scratch() / std::to_string(links_++);
    fs::create_symlink(path, name);
    return name.string();
  }

  fs::path scratch() {
    if (!made_) {
      make_directory(directory_);
      made_ = true;
    }
    return directory_;
  }

 private:
  fs::path directory_;
  bool made_ = false;
  int links_ = 0;
};

using Option = std::pair<const char*, const char*>;

/// In a user namespace (userxattr) the first is spelled "nofollow", and the second is off by itself.
std::vector<Option> options_of(store::SnapshotMode mode) {
  if (mode == store::SnapshotMode::user) {
    return {{"redirect_dir", "nofollow"}, {"index", "off"}, {"xino", "off"}};
  }
  return {{"redirect_dir", "off"}, {"metacopy", "off"}, {"index", "off"}, {"xino", "off"}};
}

/// The overlay by fsopen(2) and "lowerdir+" (Linux 6.5), without a limit on the number of lowers; an empty descriptor
/// where this kernel does not know them.
UniqueFd overlay_by_context(const Stack& stack) {
  const auto& [lowers, upper, work, mode] = stack;
  const UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context) {
    return {};
  }
  OverlayParts parts;
  const auto set = [&](const char* key, const std::string& value) {
    return ::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  for (const auto& lower : lowers) {
    if (!set("lowerdir+", parts.parameter(lower))) {
      const int error_number = errno;
      if (error_number == EINVAL && &lower == &lowers.front()) {
        return {};
      }
      throw overlay_error(" (" + lower.string() + ")" + context_log(context), error_number);
    }
  }
  bool ok =
      mode != store::SnapshotMode::user || ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "userxattr", nullptr, 0) == 0;
  for (const auto& [key, value] : options_of(mode)) {
    ok = ok && set(key, value);
  }
  if (!upper.empty()) {
    ok = ok && set("upperdir", parts.parameter(upper)) && set("workdir", parts.parameter(work)) &&
         ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) == 0;
  }
  ok = ok && ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  const auto attributes = upper.empty() ? unsigned{MOUNT_ATTR_NODEV} | MOUNT_ATTR_RDONLY : unsigned{MOUNT_ATTR_NODEV};
  UniqueFd mount;
  if (ok) {
    mount = UniqueFd(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
  }
  if (!mount) {
    const int error_number = errno;
    throw overlay_error(context_log(context), error_number);
  }
  return mount;
}

/// The overlay by mount(2): all options on one page, hence short links for the paths.
UniqueFd overlay_by_options(const Stack& stack) {
  const auto& [lowers, upper, work, mode] = stack;
  OverlayParts parts;
  std::string options;
  for (const auto& lower : lowers) {
    options += (options.empty() ? "lowerdir=" : ":") + parts.link(lower);
  }
  options += mode == store::SnapshotMode::user ? ",userxattr" : "";
  for (const auto& [key, value] : options_of(mode)) {
    options += std::string(",") + key + "=" + value;
  }
  if (!upper.empty()) {
    options += ",upperdir=" + parts.link(upper) + ",workdir=" + parts.link(work) + ",volatile";
  }
  if (options.size() >= static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    throw Error(ErrorKind::unsupported, "this kernel takes no overlay of " + std::to_string(lowers.size()) + " layers")
        .hint("Linux 6.5 and newer have no such limit");
  }
  const fs::path target = parts.scratch() / "m";
  make_directory(target);
  const unsigned long flags = upper.empty() ? (MS_NODEV | MS_RDONLY) : MS_NODEV;
  if (::mount("overlay", target.c_str(), "overlay", flags, options.c_str()) != 0) {
    throw overlay_error("", errno);
  }
  UniqueFd mount = clone_mount(AT_FDCWD, target.string(), false);
  ::umount2(target.c_str(), MNT_DETACH);
  return mount;
}

}  // namespace

UniqueFd make_overlay(const Stack& stack) {
  if (stack.lowers.empty() && stack.upper.empty()) {
    throw Error(ErrorKind::internal, "an overlay without layers");
  }
  Stack full = stack;
  if (full.lowers.empty() || (full.upper.empty() && full.lowers.size() == 1)) {
    // overlayfs wants one lower with an upper and two without.
    full.lowers.push_back(run_directory() / "empty");
  }
  UniqueFd mount = overlay_by_context(full);
  return mount ? std::move(mount) : overlay_by_options(full);
}

void forget_volatile_mount(const fs::path& work) noexcept {
  if (!work.empty()) {
    const fs::path mark = work / "work" / "incompat";
    ::unlink((mark / "volatile" / "dirty").c_str());
    ::rmdir((mark / "volatile" / "dirty").c_str());
    ::rmdir((mark / "volatile").c_str());
    ::rmdir(mark.c_str());
  }
}

void enter_private_namespace() {
  auto& state = private_namespace();
  if (state.entered) {
    return;
  }
  enter_user_namespace();
  if (::unshare(CLONE_NEWNS) != 0) {
    throw Error(ErrorKind::denied, "no right to make a mount namespace")
        .hint("in a container dlc needs CAP_SYS_ADMIN (docker run --privileged), or a user with subordinate ids");
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    throw system_error("make the mounts of this process private");
  }
  // Each process covers it by a tmpfs that only itself sees, so nothing is left behind.
  const fs::path directory = make_base_directory();
  if (::mount("dlc", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") != 0) {
    throw system_error("mount a tmpfs on " + directory.string());
  }
  make_directory(directory / "empty", 0755);
  hide_unified_hierarchy();
  reap_cgroups();
  state.directory = directory;
  state.entered = true;
}

const fs::path& run_directory() {
  if (!private_namespace().entered) {
    throw Error(ErrorKind::internal, "enter_private_namespace was not called");
  }
  return private_namespace().directory;
}

OverlayMount::OverlayMount(const Stack& stack)
    : root_(stack), path_(run_directory() / ("mount" + std::to_string(next_number()))) {
  make_directory(path_);
  attach_mount(root_.mount(), path_.string());
}

OverlayMount::OverlayMount(OverlayMount&& other) noexcept
    : root_(std::move(other.root_)), path_(std::exchange(other.path_, {})) {}

OverlayMount::~OverlayMount() {
  detach();
}

void OverlayMount::detach() noexcept {
  if (!path_.empty()) {
    ::umount2(path_.c_str(), MNT_DETACH);
    ::rmdir(path_.c_str());
    path_.clear();
  }
}

void OverlayMount::finish() {
  detach();
  root_.settle();
}

}  // namespace dlc::sandbox
