#include "base/tree_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <span>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"

namespace dlc {

namespace fs = std::filesystem;

namespace {

constexpr unsigned kModeBits = 07777;
constexpr std::size_t kChunk = 1 << 16;

unsigned mode_of(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    throw system_error("stat " + path.string());
  }
  return status.st_mode & kModeBits;
}

void set_mode(const fs::path& path, unsigned mode) {
  if (::chmod(path.c_str(), mode) != 0) {
    throw system_error("chmod " + path.string());
  }
}

Error not_plain(const fs::path& path) {
  return std::move(Error(ErrorKind::invalid, path.string() + " is neither a file, nor a directory, nor a link")
                       .hint("take it away first: a device, pipe or socket can't be copied"));
}

void copy_contents(const fs::path& from, const fs::path& to) {
  const auto source = open_file(from.string(), O_RDONLY | O_NOFOLLOW);
  auto target = open_file(to.string(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  std::string chunk(kChunk, '\0');
  while (const auto count = read_full(source.get(), std::as_writable_bytes(std::span(chunk)), from.string())) {
    write_full(target.get(), std::string_view(chunk).substr(0, count), to.string());
  }
  sync_file(target.get(), to.string());
  target.close(to.string());
}

/// `from` is a directory or a link to one.
void copy_directory(const fs::path& from, const fs::path& to, const std::optional<Owner>& owner) {
  fs::create_directory(to);
  const auto give = [&](const fs::path& made) {
    if (owner) {
      give_to(made, *owner);
    }
  };
  for (const auto& entry : fs::directory_iterator(from)) {
    const auto target = to / entry.path().filename();
    const auto type = entry.symlink_status().type();
    if (type == fs::file_type::directory) {
      copy_directory(entry.path(), target, owner);
      continue;
    }
    if (type == fs::file_type::symlink) {
      fs::copy_symlink(entry.path(), target);
    } else if (type == fs::file_type::regular) {
      copy_contents(entry.path(), target);
    } else {
      throw not_plain(entry.path());
    }
    give(target);
    if (type == fs::file_type::regular) {
      set_mode(target, mode_of(entry.path()));  // below chown, which takes bits away
    }
  }
  give(to);
  set_mode(to, mode_of(from));
  sync_file(open_file(to.string(), O_RDONLY | O_DIRECTORY).get(), to.string());
}

std::map<std::string, fs::file_status> entries_of(const fs::path& directory) {
  std::map<std::string, fs::file_status> entries;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    entries.emplace(entry.path().lexically_relative(directory).string(), entry.symlink_status());
  }
  return entries;
}

bool equal_entries(const fs::path& one, const fs::path& other, fs::file_type type) {
  if (type == fs::file_type::symlink) {
    return fs::read_symlink(one) == fs::read_symlink(other);
  }
  return type != fs::file_type::regular ||
         (fs::file_size(one) == fs::file_size(other) && read_file(one) == read_file(other));
}

}  // namespace

Error file_system_error(const fs::filesystem_error& error) {
  auto what = error.path1().string();
  if (!error.path2().empty()) {
    what += " and " + error.path2().string();
  }
  return system_error(what, error.code().value());
}

Owner owner_of(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    throw system_error("stat " + path.string());
  }
  return {.user = status.st_uid, .group = status.st_gid};
}

void give_to(const fs::path& path, Owner owner) noexcept {
  if (::geteuid() != 0 || ::lchown(path.c_str(), owner.user, owner.group) != 0) {
    static_cast<void>(::lchown(path.c_str(), static_cast<uid_t>(-1), owner.group) == 0);
  }
}

void require_plain_tree(const fs::path& directory) {
  for (const auto& [name, status] : entries_of(directory)) {
    if (!fs::is_regular_file(status) && !fs::is_directory(status) && !fs::is_symlink(status)) {
      throw not_plain(directory / name);
    }
  }
}

void copy_tree(const fs::path& from, const fs::path& to, const std::optional<Owner>& owner) {
  try {
    copy_directory(from, to, owner);
  } catch (const fs::filesystem_error& error) {
    throw file_system_error(error);
  }
}

bool equal_trees(const fs::path& one, const fs::path& other) {
  const auto entries = entries_of(one);
  const auto others = entries_of(other);
  if (entries.size() != others.size()) {
    return false;
  }
  for (const auto& [name, status] : entries) {
    const auto found = others.find(name);
    if (found == others.end() || found->second.type() != status.type() ||
        found->second.permissions() != status.permissions() ||
        !equal_entries(one / name, other / name, status.type())) {
      return false;
    }
  }
  return true;
}

}  // namespace dlc
