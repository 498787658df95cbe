#include "base/user_namespace.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <sstream>

#include "base/fd.h"
#include "base/files.h"
#include "base/process.h"

namespace dlc {

namespace {

constexpr std::uint32_t kIds = 65536;  // what images use; 0 is the user

std::string text_of(const char* path) {
  try {
    return read_file(path, 1U << 20);
  } catch (const Error&) {
    return {};
  }
}

/// "0:1000:1,1:100000:65536" of a file of /proc; empty for the identity.
std::string map_text(const char* path) {
  std::istringstream lines(text_of(path));
  std::string result;
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  while (lines >> inside >> outside >> count) {
    if (inside == 0 && outside == 0 && count == 4294967295U) {
      return {};
    }
    result += (result.empty() ? "" : ",") + std::to_string(inside) + ":" + std::to_string(outside) + ":" +
              std::to_string(count);
  }
  return result;
}

std::string user_name(uid_t uid) {
  const passwd* entry = ::getpwuid(uid);  // NOLINT(concurrency-mt-unsafe): one thread
  return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

Error missing_program() {
  return Error(ErrorKind::not_found, "an ordinary user needs the programs newuidmap and newgidmap to make images")
      .hint("apt-get install uidmap, or run dlc as root");
}

Error missing_ranges(const std::string& user, const char* file) {
  return Error(ErrorKind::denied, "the user " + user + " has no subordinate ids in " + file)
      .hint("as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + user +
            "; or run dlc as root");
}

Error forbidden(int reason) {
  Error error(ErrorKind::denied, "this machine does not let users make user namespaces");
  if (reason == ENOSPC) {
    return error.hint("as root: sysctl -w user.max_user_namespaces=65536; or run dlc as root");
  }
  return error.hint(
      "as root: sysctl -w kernel.unprivileged_userns_clone=1 (Debian) or "
      "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); or run dlc as root");
}

struct Maps {
  std::vector<std::string> users, groups;
};

std::optional<Error> find_maps(Maps& maps) {
  if (!find_program("newuidmap") || !find_program("newgidmap")) {
    return missing_program();
  }
  const auto name = user_name(::getuid());
  const auto users = subordinate_ranges(text_of("/etc/subuid"), name, ::getuid());
  const auto groups = subordinate_ranges(text_of("/etc/subgid"), name, ::getuid());
  if (users.empty()) {
    return missing_ranges(name, "/etc/subuid");
  }
  if (groups.empty()) {
    return missing_ranges(name, "/etc/subgid");
  }
  maps.users = id_map_arguments(::getuid(), users);
  maps.groups = id_map_arguments(::getgid(), groups);
  return std::nullopt;
}

std::vector<std::string> map_command(const char* program, pid_t target, const std::vector<std::string>& map) {
  std::vector<std::string> argv{program, std::to_string(target)};
  argv.insert(argv.end(), map.begin(), map.end());
  return argv;
}

/// In a child that stays outside: sets the maps of `target` once a byte comes. Exit status 0 when all is well.
[[noreturn]] void set_maps(pid_t target, const Maps& maps, int go) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) {
    ::_exit(1);
  }
  try {
    for (const auto& argv :
         {map_command("newuidmap", target, maps.users), map_command("newgidmap", target, maps.groups)}) {
      const auto result = run_command(argv);
      if (result.status != 0) {
        [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, result.error.data(), result.error.size());
        ::_exit(1);
      }
    }
  } catch (const std::exception&) {
    ::_exit(1);
  }
  ::_exit(0);
}

struct OwnIds {
  uid_t uid;
  gid_t gid;
};
/// Set once, before there are threads: the kernel does not say who made the namespace that a process is in.
std::optional<OwnIds>& entered() noexcept {
  static std::optional<OwnIds> ids;
  return ids;
}

}  // namespace

bool is_ordinary_user() noexcept {
  return entered() || ::geteuid() != 0;
}

std::vector<std::string> with_own_ids() {
  const auto& ids = entered();
  if (!ids) {
    return {};
  }
  return {"unshare", "--user", "--map-user=" + std::to_string(ids->uid), "--map-group=" + std::to_string(ids->gid),
          "--"};
}

std::vector<IdRange> subordinate_ranges(std::string_view file, std::string_view name, std::uint32_t uid) {
  std::vector<IdRange> ranges;
  const auto number = std::to_string(uid);
  while (!file.empty()) {
    const auto end = file.find('\n');
    auto line = file.substr(0, end);
    file = end == std::string_view::npos ? std::string_view{} : file.substr(end + 1);
    const auto owner = line.substr(0, line.find(':'));
    if (owner != name && owner != number) {
      continue;
    }
    line.remove_prefix(std::min(owner.size() + 1, line.size()));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
      continue;
    }
    IdRange range;
    const auto first = std::from_chars(line.data(), line.data() + colon, range.first);
    const auto count = std::from_chars(line.data() + colon + 1, line.data() + line.size(), range.count);
    if (first.ec == std::errc() && count.ec == std::errc() && range.count > 0) {
      ranges.push_back(range);
    }
  }
  return ranges;
}

std::vector<std::string> id_map_arguments(std::uint32_t own, const std::vector<IdRange>& ranges) {
  std::vector<std::string> result{"0", std::to_string(own), "1"};
  std::uint32_t inside = 1;
  for (const auto& range : ranges) {
    const auto count = std::min(range.count, kIds - (inside - 1));
    if (count == 0) {
      break;
    }
    for (const auto value : {inside, range.first, count}) {
      result.push_back(std::to_string(value));
    }
    inside += count;
  }
  return result;
}

bool in_user_namespace() {
  return !map_text("/proc/self/uid_map").empty();
}

std::string id_map_text() {
  const auto users = map_text("/proc/self/uid_map");
  return users.empty() ? users : users + "/" + map_text("/proc/self/gid_map");
}

std::optional<Error> user_namespace_obstacle() {
  if (::geteuid() == 0) {
    return std::nullopt;
  }
  Maps maps;
  if (auto obstacle = find_maps(maps)) {
    return obstacle;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(::unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0 ? std::nullopt : std::optional(forbidden(WEXITSTATUS(status)));
}

void enter_user_namespace() {
  if (::geteuid() == 0) {
    return;
  }
  Maps maps;
  if (const auto obstacle = find_maps(maps)) {
    throw Error(*obstacle);
  }
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    throw system_error("create a pipe");
  }
  const UniqueFd go_read(pipe[0]);
  UniqueFd go_write(pipe[1]);
  const OwnIds own{::getuid(), ::getgid()};
  const auto name = user_name(own.uid);
  const pid_t target = ::getpid();
  const pid_t helper = ::fork();
  if (helper < 0) {
    throw system_error("fork");
  }
  if (helper == 0) {
    go_write.reset();
    set_maps(target, maps, go_read.get());
  }
  const int failed = ::unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
  if (failed == 0) {
    [[maybe_unused]] const auto ignored = ::write(go_write.get(), "g", 1);
  }
  go_write.reset();
  int status = 0;
  while (::waitpid(helper, &status, 0) < 0 && errno == EINTR) {
  }
  if (failed != 0) {
    throw forbidden(failed);
  }
  if (status != 0) {
    throw Error(ErrorKind::denied, "newuidmap or newgidmap refused the ids of " + name)
        .hint("look at the lines for this user in /etc/subuid and /etc/subgid; or run dlc as root");
  }
  entered() = own;
}

}  // namespace dlc
