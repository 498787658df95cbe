#include "sandbox/rooted.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <span>

#include "base/error.h"

namespace dlc::sandbox {

namespace {

constexpr std::size_t kDatabaseLimit = 16U << 20;
constexpr std::uint32_t kLargestId = 0x7fffffff;

int openat2_in_root(int root, const std::string& path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags) | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  while (true) {
    const auto fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    // EAGAIN: the kernel could not prove that a concurrent rename kept the walk inside; it asks for another try.
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) {
      return static_cast<int>(fd);
    }
  }
}

/// The text of a regular file of the root, "" where there is none or it is not one (a device, a FIFO, a link out).
std::string read_database(int root, std::string_view path) {
  const auto place = try_open_in_root(root, path, O_PATH);
  struct stat status{};
  if (!place || ::fstat(place->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return {};
  }
  if (static_cast<std::uint64_t>(status.st_size) > kDatabaseLimit) {
    throw Error(ErrorKind::invalid, std::string("the image's ").append(path) + " is larger than 16 MiB");
  }
  const UniqueFd file = open_file("/proc/self/fd/" + std::to_string(place->get()), O_RDONLY);
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  text.resize(read_full(file.get(), std::as_writable_bytes(std::span(text)), path));
  return text;
}

std::string_view next_field(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return field;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t value = 0;
  if (!is_number(text)) {
    return std::nullopt;
  }
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value > kLargestId) {
    return std::nullopt;
  }
  return value;
}

/// A number as the user wrote it: out of range is an error, never another id.
std::uint32_t require_id(std::string_view text, std::string_view whole) {
  const auto id = parse_id(text);
  if (!id) {
    throw Error(ErrorKind::invalid, std::string("user ").append(whole) + ": ids must be in the range 0-2147483647");
  }
  return *id;
}

struct PasswdEntry {
  std::string_view name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string_view home;
};

template <typename Wanted>
std::optional<PasswdEntry> find_user(std::string_view passwd, const Wanted& wanted) {
  while (!passwd.empty()) {
    auto line = next_field(passwd, '\n');
    PasswdEntry entry;
    entry.name = next_field(line, ':');
    next_field(line, ':');
    const auto uid = parse_id(next_field(line, ':'));
    const auto gid = parse_id(next_field(line, ':'));
    next_field(line, ':');
    entry.home = next_field(line, ':');
    if (entry.name.empty() || !uid || !gid) {
      continue;
    }
    entry.uid = *uid;
    entry.gid = *gid;
    if (wanted(entry)) {
      return entry;
    }
  }
  return std::nullopt;
}

/// Calls `visit(name, gid, members)` for each line of an /etc/group until it returns true.
template <typename Visit>
void for_each_group(std::string_view groups, const Visit& visit) {
  while (!groups.empty()) {
    auto line = next_field(groups, '\n');
    const auto name = next_field(line, ':');
    next_field(line, ':');
    const auto gid = parse_id(next_field(line, ':'));
    if (!name.empty() && gid && visit(name, *gid, next_field(line, ':'))) {
      return;
    }
  }
}

std::uint32_t find_group(int root, std::string_view group, std::string_view whole) {
  if (is_number(group)) {
    return require_id(group, whole);
  }
  std::optional<std::uint32_t> found;
  const auto text = read_database(root, "/etc/group");
  for_each_group(text, [&](std::string_view name, std::uint32_t gid, std::string_view) {
    if (name == group) {
      found = gid;
    }
    return found.has_value();
  });
  if (!found) {
    throw Error(ErrorKind::invalid,
                std::string("unable to find group ").append(group) + ": no matching entries in the image's /etc/group");
  }
  return *found;
}

std::vector<std::uint32_t> groups_of(int root, std::string_view user) {
  std::vector<std::uint32_t> result;
  const auto text = read_database(root, "/etc/group");
  for_each_group(text, [&](std::string_view, std::uint32_t gid, std::string_view members) {
    while (!members.empty()) {
      if (next_field(members, ',') == user && std::find(result.begin(), result.end(), gid) == result.end()) {
        result.push_back(gid);
      }
    }
    return false;
  });
  return result;
}

}  // namespace

UniqueFd open_in_root(int root, std::string_view path, int flags, unsigned mode) {
  const std::string name = path.empty() ? "." : std::string(path);
  const int fd = openat2_in_root(root, name, flags, mode);
  if (fd < 0) {
    throw system_error("open " + name + " in the image");
  }
  return UniqueFd(fd);
}

std::optional<UniqueFd> try_open_in_root(int root, std::string_view path, int flags) {
  const std::string name = path.empty() ? "." : std::string(path);
  const int fd = openat2_in_root(root, name, flags, 0);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::nullopt;
    }
    throw system_error("open " + name + " in the image");
  }
  return UniqueFd(fd);
}

UserIds resolve_user(int root, std::string_view user) {
  const auto colon = user.find(':');
  auto name = user.substr(0, colon);
  const auto group = colon == std::string_view::npos ? std::string_view{} : user.substr(colon + 1);
  if (name.empty()) {
    name = "0";
  }
  const auto passwd = read_database(root, "/etc/passwd");
  UserIds ids;
  std::optional<PasswdEntry> entry;
  if (is_number(name)) {
    // A number is always an id: a passwd line whose *name* is that number must not turn it into another user.
    ids.uid = require_id(name, user);
    entry = find_user(passwd, [&](const PasswdEntry& line) { return line.uid == ids.uid; });
  } else {
    entry = find_user(passwd, [&](const PasswdEntry& line) { return line.name == name; });
    if (!entry) {
      throw Error(ErrorKind::invalid, std::string("unable to find user ").append(name) +
                                          ": no matching entries in the image's /etc/passwd");
    }
    ids.uid = entry->uid;
  }
  ids.home = "/";
  if (entry) {
    ids.gid = entry->gid;
    ids.name = entry->name;
    ids.home = entry->home.empty() ? "/" : std::string(entry->home);
  } else if (ids.uid == 0) {
    ids.home = "/root";
  }
  if (!group.empty()) {
    ids.gid = find_group(root, group, user);
  } else if (entry) {
    ids.groups = groups_of(root, ids.name);
  }
  return ids;
}

UserIds resolve_owner(int root, std::string_view owner) {
  const auto colon = owner.find(':');
  const auto name = owner.substr(0, colon);
  if (colon != std::string_view::npos || !is_number(name)) {
    return resolve_user(root, owner);
  }
  UserIds ids;
  ids.uid = require_id(name, owner);
  ids.gid = ids.uid;
  ids.home = "/";
  return ids;
}

}  // namespace dlc::sandbox
