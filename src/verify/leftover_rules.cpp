#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "verify/image_rule.h"

namespace dlc::verify {

namespace {

using contents::base_name;
using contents::Node;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

struct Cache {
  const char* directory;
  const char* what;
};

constexpr Cache kCaches[] = {
    {"var/lib/apt/lists", "package lists of apt (rm -rf /var/lib/apt/lists/*)"},
    {"var/cache/apt", "the cache of apt (apt-get clean)"},
    {"opt/conda/pkgs", "packages of conda (conda clean -a)"},
    {"var/cache/yum", "the cache of yum"},
    {"var/cache/dnf", "the cache of dnf"},
};

/// Of each user, below the home directory.
constexpr Cache kCachesOfUsers[] = {
    {".cache", "a cache of programs"},
    {".conda/pkgs", "packages of conda (conda clean -a)"},
    {".npm", "the cache of npm"},
};

/// Belongs to an empty cache.
bool is_placeholder(const Node& node) {
  return node.entry.size == 0 || is_one_of(base_name(node.entry.path), {"lock", ".gitkeep", "CACHEDIR.TAG"});
}

std::string stray(const Subject& subject, const std::string& path, const Node& node) {
  const auto name = base_name(path);
  const bool file = node.entry.type == 'f';
  if ((is_below(path, "tmp") || is_below(path, "var/tmp")) && node.entry.type != 'd') {
    return "is a temporary file";
  }
  if (!file || subject.debian_files.contains(path)) {
    return "";
  }
  if ((name.starts_with(".") && (name.ends_with(".swp") || name.ends_with(".swo"))) ||
      (name.size() > 1 && name.ends_with('~')) || (name.size() > 2 && name.starts_with('#') && name.ends_with('#')) ||
      is_one_of(name, {".DS_Store", "Thumbs.db"})) {
    return "is an editor's or desktop's file";
  }
  const bool core = name == "core" || (name.starts_with("core.") && name.size() > 5 &&
                                       name.find_first_not_of("0123456789", 5) == std::string_view::npos);
  if (core &&
      subject.tree.read(node, 0, 18)
          .starts_with("\x7f"
                       "ELF") &&
      subject.tree.read(node, 16, 1) == std::string(1, '\x04')) {
    return "is a core dump";
  }
  if (is_one_of(name, {".wget-hsts", ".lesshst", ".viminfo", "nohup.out"})) {
    return "is left by a program that ran at the build";
  }
  return "";
}

void check_cache(const Subject& subject, const std::string& directory, const char* what, const Report& report) {
  const auto below = directory + "/";
  std::uint64_t bytes = 0;
  std::size_t files = 0;
  const auto& nodes = subject.tree.nodes();
  for (auto at = nodes.lower_bound(below); at != nodes.end() && at->first.starts_with(below); ++at) {
    if (at->second.entry.type == 'f' && !is_placeholder(at->second)) {
      ++files;
      bytes += at->second.entry.size;
    }
  }
  if (files > 0) {
    report(directory, fmt::format("holds {}: {} file{}, {:.1f} MB", what, files, files == 1 ? "" : "s",
                                  static_cast<double>(bytes) / 1e6));
  }
}

}  // namespace

void check_histories(const Subject& subject, const Report& report) {
  for (const auto& [path, node] : subject.tree.nodes()) {
    const auto name = base_name(path);
    if (node.entry.type == 'f' && node.entry.size > 0 &&
        is_one_of(name, {".bash_history", ".python_history", ".zsh_history", ".sh_history", ".ash_history",
                         ".mysql_history", ".psql_history", ".sqlite_history", ".node_repl_history"})) {
      report(path, "is a history of what was typed");
    }
  }
}

void check_caches(const Subject& subject, const Report& report) {
  for (const auto& cache : kCaches) {
    check_cache(subject, cache.directory, cache.what, report);
  }
  auto homes = subject.tree.list("home");
  homes.emplace_back("root");
  for (const auto& home : homes) {
    for (const auto& cache : kCachesOfUsers) {
      check_cache(subject, home + "/" + cache.directory, cache.what, report);
    }
  }
}

void check_stray_files(const Subject& subject, const Report& report) {
  for (const auto& [path, node] : subject.tree.nodes()) {
    if (auto message = stray(subject, path, node); !message.empty()) {
      report(path, std::move(message));
    }
  }
}

void check_lost_files(const Subject& subject, const Report& report) {
  constexpr std::uint64_t kTolerated = 1'000'000;  // a package manager's database is replaced in each layer
  std::map<std::pair<std::size_t, std::size_t>, std::vector<const contents::LostFile*>> lost;
  for (const auto& file : subject.tree.lost()) {
    // A layer that installs packages replaces dpkg's database and the loader's cache, whatever one does.
    if (!is_below(file.path, "var/lib/dpkg") && file.path != "etc/ld.so.cache") {
      lost[{file.layer, file.lost_in}].push_back(&file);
    }
  }
  for (auto& [layers, files] : lost) {
    std::uint64_t bytes = 0;
    for (const auto* file : files) {
      bytes += file->bytes;
    }
    if (bytes > kTolerated) {
      const auto* largest = *std::ranges::max_element(files, {}, &contents::LostFile::bytes);
      report(largest->path,
             fmt::format("and {} other files of layer {} are {} by layer {}: {:.1f} MB are shipped for nothing",
                         files.size() - 1, layers.first + 1, largest->replaced ? "replaced" : "removed",
                         layers.second + 1, static_cast<double>(bytes) / 1e6));
    }
  }
}

void check_world_writable(const Subject& subject, const Report& report) {
  constexpr std::uint32_t kOthersWrite = 0002;
  constexpr std::uint32_t kSticky = 01000;
  for (const auto& [path, node] : subject.tree.nodes()) {
    const bool concerned = node.entry.type == 'f' || node.entry.type == 'd';
    const bool shared_directory = node.entry.type == 'd' && (node.entry.mode & kSticky) != 0;
    if (concerned && (node.entry.mode & kOthersWrite) != 0 && !shared_directory) {
      report(path, fmt::format("everybody may write to it (mode {:04o})", node.entry.mode));
    }
  }
}

void check_closed_directories(const Subject& subject, const Report& report) {
  for (const auto& [path, node] : subject.tree.nodes()) {
    const auto mode = node.entry.mode;
    const auto may_list = (mode & 0444U) >> 2U;
    const auto may_enter = mode & 0111U;
    if (node.entry.type == 'd' && (may_list & ~may_enter) != 0) {
      report(path, fmt::format("who may list it may not enter it (mode {:04o})", mode));
    }
  }
}

void check_set_ids(const Subject& subject, const Report& report) {
  constexpr std::uint32_t kSetIds = 06000;
  for (const auto& [path, node] : subject.tree.nodes()) {
    if (node.entry.type != 'f' || subject.debian_files.contains(path)) {
      continue;
    }
    if ((node.entry.mode & kSetIds) != 0) {
      report(path, fmt::format("runs with the rights of its owner or group (mode {:04o})", node.entry.mode));
    } else if (node.entry.xattrs.contains("security.capability")) {
      report(path, "has file capabilities");
    }
  }
}

}  // namespace dlc::verify
