#include "contents/loader.h"

#include <elf.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/error.h"
#include "contents/text_lines.h"

namespace dlc::contents {

namespace {

constexpr int kMaxConfDepth = 8;
constexpr std::string_view kDriver = "libcuda.so.1";

/// The names below a directory that a glob without "/" in its last part stands for.
std::vector<std::string> expand(const ImageTree& tree, const std::string& pattern) {
  const auto star = pattern.find('*');
  if (star == std::string::npos) {
    return {pattern};
  }
  const auto directory = tree.resolve(directory_of(pattern));
  const auto name = base_name(pattern);
  const auto before = name.substr(0, name.find('*'));
  const auto after = name.substr(name.find('*') + 1);
  std::vector<std::string> found;
  for (const auto& path : directory ? tree.list(*directory) : std::vector<std::string>()) {
    const auto base = base_name(path);
    if (base.size() >= before.size() + after.size() && base.starts_with(before) && base.ends_with(after)) {
      found.push_back(path);
    }
  }
  return found;
}

std::vector<std::string> default_directories(const std::vector<ElfFile>& files) {
  std::set<std::string_view> triplets;
  for (const auto& file : files) {
    for (const std::string_view name : {"x86_64-linux-gnu", "aarch64-linux-gnu", "i386-linux-gnu"}) {
      if (file.path.starts_with("usr/lib/" + std::string(name)) || file.path.starts_with("lib/" + std::string(name))) {
        triplets.insert(name);
      }
    }
  }
  std::vector<std::string> result;
  for (const auto name : triplets) {
    result.push_back("lib/" + std::string(name));
    result.push_back("usr/lib/" + std::string(name));
  }
  for (const char* name : {"lib", "usr/lib", "lib64", "usr/lib64"}) {
    result.emplace_back(name);
  }
  return result;
}

ElfFault fault_of(const Elf& elf, std::uint64_t size) {
  if (elf.type != ET_EXEC && elf.type != ET_DYN) {  // objects and core dumps: nobody starts them
    return ElfFault::none;
  }
  return elf.end > size ? ElfFault::cut_off : elf.loads ? ElfFault::none : ElfFault::no_code;
}

/// nullopt: it is none.
std::optional<ElfFile> read_elf(const ImageTree& tree, const Node& node) {
  bool begins_as_one = false;
  auto elf = parse_elf([&](auto offset, auto size) {
    auto bytes = tree.read(node, offset, size);
    begins_as_one = begins_as_one || (offset == 0 && bytes.starts_with(ELFMAG));
    return bytes;
  });
  if (!elf) {
    return begins_as_one ? std::optional(ElfFile{node.entry.path, {}, ElfFault::no_header}) : std::nullopt;
  }
  const auto fault = fault_of(*elf, node.entry.size);
  return ElfFile{node.entry.path, std::move(*elf), fault};
}

}  // namespace

std::vector<ElfFile> find_elf_files(const ImageTree& tree) {
  std::vector<const Node*> nodes;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.entry.type == 'f' && node.entry.link.empty() && node.entry.size >= SELFMAG) {
      nodes.push_back(&node);
    }
  }
  std::vector<std::optional<ElfFile>> parsed(nodes.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < nodes.size(); i = next++) {
      try {
        parsed[i] = read_elf(tree, *nodes[i]);
      } catch (const Error&) {  // a file that cannot be read is no ELF file for anyone
        parsed[i].reset();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
      threads.emplace_back(work);
    }
    work();
  }
  std::vector<ElfFile> files;
  for (auto& file : parsed) {
    if (file) {
      files.push_back(std::move(*file));
    }
  }
  return files;
}

Loader::Loader(const ImageTree& tree, const std::vector<ElfFile>& files, const std::vector<std::string>& env)
    : tree_(tree) {
  for (const auto& file : files) {
    by_path_.emplace(file.path, &file);
  }
  for (const auto& line : env) {
    if (line.starts_with("LD_LIBRARY_PATH=")) {
      library_path_ = line.substr(line.find('=') + 1);
    }
  }
  read_conf("etc/ld.so.conf", 0);
  const auto defaults = default_directories(files);
  directories_.insert(directories_.end(), defaults.begin(), defaults.end());
}

void Loader::read_conf(const std::string& path, int depth) {
  const auto text = depth <= kMaxConfDepth ? tree_.read(path, 1 << 20) : std::nullopt;
  if (!text) {
    return;
  }
  for (auto line : lines_of(std::string_view(*text))) {
    line = trim(line.substr(0, line.find('#')));
    if (line.starts_with("include ") || line.starts_with("include\t")) {
      const auto pattern = trim(line.substr(8));
      const auto place = pattern.starts_with('/') ? std::string(pattern)
                                                  : std::string(directory_of(path)) + "/" + std::string(pattern);
      for (const auto& file : expand(tree_, clean_path(place))) {
        read_conf(file, depth + 1);
      }
    } else if (!line.empty()) {
      directories_.push_back(clean_path(line));
    }
  }
}

const ElfFile* Loader::elf_of(std::string_view path) const {
  const auto resolved = tree_.resolve(path);
  const auto* node = resolved ? tree_.find(*resolved) : nullptr;
  if (node == nullptr) {
    return nullptr;
  }
  const auto found = by_path_.find(node->entry.link.empty() ? *resolved : node->entry.link);
  return found == by_path_.end() ? nullptr : found->second;
}

std::optional<std::string> Loader::accept(const ElfFile& user, const std::string& path) const {
  const auto* found = elf_of(path);
  return found != nullptr && found->elf.same_kind(user.elf) ? std::optional(found->path) : std::nullopt;
}

/// `directories`: as in DT_RUNPATH; an empty one is the working directory, which no image can rely on.
std::optional<std::string> Loader::search(const ElfFile& user, std::string_view name, const std::string& directories,
                                          const ElfFile& origin) const {
  for (auto directory : split(directories, ":;")) {
    auto place =
        replaced(std::string(directory), {"$ORIGIN", "${ORIGIN}"}, "/" + std::string(directory_of(origin.path)));
    place = replaced(place, {"$LIB", "${LIB}"}, user.elf.bits == 64 ? "lib64" : "lib");
    if (!place.starts_with('/')) {
      continue;
    }
    // Links are followed on the way, so ".." must not be taken away by its text.
    if (auto found = accept(user, place + "/" + std::string(name))) {
      return found;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Loader::find(const ElfFile& user, std::string_view name,
                                        const std::vector<const ElfFile*>& chain) const {
  if (name.find('/') != std::string_view::npos) {
    return accept(user, std::string(name));
  }
  if (user.elf.runpath.empty()) {
    if (auto found = search(user, name, user.elf.rpath, user)) {
      return found;
    }
    for (const auto* above : chain) {
      if (auto found = above->elf.runpath.empty() ? search(user, name, above->elf.rpath, *above) : std::nullopt) {
        return found;
      }
    }
  }
  if (auto found = search(user, name, library_path_, user)) {
    return found;
  }
  if (auto found = search(user, name, user.elf.runpath, user)) {
    return found;
  }
  return find_in_common(user, name);
}

std::optional<std::string> Loader::find_in_common(const ElfFile& user, std::string_view name) const {
  auto& known = common_[{user.elf.bits, user.elf.big_endian, user.elf.machine, std::string(name)}];
  if (!known) {
    known = std::optional<std::string>();
    for (const auto& directory : directories_) {
      if (auto found = accept(user, directory + "/" + std::string(name))) {
        known = std::move(found);
        break;
      }
    }
  }
  return *known;
}

/// One process that starts with `root`: libraries are loaded breadth first, each name once. `loaded` gets them, without
/// `root`.
Loader::Missing Loader::load(const ElfFile& root, std::set<const ElfFile*>& loaded) const {
  Missing missing;
  struct Loaded {
    const ElfFile* file;
    std::vector<const ElfFile*> chain;  // who loaded it, the nearest first
  };
  std::vector<Loaded> queue{{&root, {}}};
  std::set<std::string> names{root.elf.soname};
  std::set<const ElfFile*> here{&root};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const auto current = queue[i];
    for (const auto& name : current.file->elf.needed) {
      if (name == kDriver || !names.insert(name).second) {
        continue;
      }
      const auto found = find(*current.file, name, current.chain);
      if (!found) {
        missing[current.file->path].insert(name);
        continue;
      }
      const auto* library = by_path_.at(*found);
      names.insert(library->elf.soname);
      if (here.insert(library).second) {
        loaded.insert(library);
        auto chain = current.chain;
        chain.insert(chain.begin(), current.file);
        queue.push_back({library, std::move(chain)});
      }
    }
  }
  return missing;
}

Loader::Missing Loader::missing() const {
  // What nobody needs is started as a program or opened as a module; the rest comes with it.
  std::set<const ElfFile*> needed;
  for (const auto& [path, file] : by_path_) {
    for (const auto& name : file->elf.needed) {
      if (const auto found = find(*file, name); found && *found != path) {
        needed.insert(by_path_.at(*found));
      }
    }
  }
  std::map<const ElfFile*, Missing> runs;
  std::set<const ElfFile*> loaded;
  for (const auto& [path, file] : by_path_) {
    if (!needed.contains(file)) {
      runs[file] = load(*file, loaded);
    }
  }
  Missing missing;
  for (const auto& [path, file] : by_path_) {
    // What came with another one is found by that one's DT_RPATH only: alone it need not work. What came with none and
    // is needed belongs to libraries that need each other.
    if (loaded.contains(file)) {
      continue;
    }
    const auto run = runs.find(file);
    const auto own = run != runs.end() ? run->second : load(*file, loaded);
    for (const auto& [user, names] : own) {
      missing[user].insert(names.begin(), names.end());
    }
  }
  return missing;
}

}  // namespace dlc::contents
