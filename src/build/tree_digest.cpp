#include "build/tree_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "build/key_hasher.h"
#include "dockerfile/ignore.h"

namespace dlc::build {

namespace {

struct Item {
  std::string path;      ///< in the tree
  std::string relative;  ///< below the selected path
  Node node;
  Digest content;
};

void collect(const Tree& tree, const std::string& path, const std::string& relative, const Node& node,
             const dockerfile::IgnoreMatcher* excludes, std::vector<Item>& items) {
  const bool excluded = excludes != nullptr && !relative.empty() && excludes->ignored(relative);
  if (!excluded) {
    items.push_back({.path = path, .relative = relative, .node = node, .content = {}});
  }
  if (node.type != Node::Type::directory || (excluded && !excludes->may_contain_included(relative))) {
    return;
  }
  for (const auto& name : tree.list(path)) {
    const auto child = join(path, name);
    if (const auto child_node = tree.lstat(child)) {
      collect(tree, child, join(relative, name), *child_node, excludes, items);
    }
  }
}

Digest hash_file(const Tree& tree, const std::string& path) {
  const UniqueFd fd = tree.open(path);
  codec::Sha256 hash;
  std::vector<std::byte> buffer(1 << 17);
  while (true) {
    const auto count = read_full(fd.get(), buffer, path);
    hash.update(std::span(buffer).first(count));
    if (count < buffer.size()) {
      return hash.finish();
    }
  }
}

store::FileStamp stamp_of(const Node& node) {
  constexpr std::int64_t kNano = 1'000'000'000;
  return {.device = node.device,
          .inode = node.inode,
          .size = node.size,
          .mtime_ns = node.mtime * kNano + node.mtime_nsec,
          .ctime_ns = node.ctime_ns};
}

/// Runs `work(i)` for all i below `count` on some threads; rethrows the first error.
template <typename Work>
void parallel_for(std::size_t count, unsigned threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::scoped_lock lock(mutex);
        failure = failure ? failure : std::current_exception();
        next = count;
      }
    }
  };
  if (threads <= 1 || count < 16) {
    loop();
  } else {
    std::vector<std::jthread> pool;
    for (unsigned i = 0; i < threads; ++i) {
      pool.emplace_back(loop);
    }
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

/// Fills in the content digests, from the store's memory where the stat is known.
void hash_contents(const Tree& tree, std::vector<Item>& items, store::Records& records, unsigned threads) {
  // A file changed within the clock's grain of now may change again under the same stamp ("racy" in git's words).
  constexpr std::int64_t kGrain = 50'000'000;
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::vector<Item*> unknown;
  for (auto& item : items) {
    if (item.node.type != Node::Type::file) {
      continue;
    }
    if (const auto known = records.file_digest(stamp_of(item.node))) {
      item.content = *known;
    } else {
      unknown.push_back(&item);
    }
  }
  parallel_for(unknown.size(), threads,
               [&](std::size_t i) { unknown[i]->content = hash_file(tree, unknown[i]->path); });
  std::vector<std::pair<store::FileStamp, Digest>> fresh;
  for (const auto* item : unknown) {
    const auto after = tree.lstat(item->path);
    const bool unchanged = after && stamp_of(*after) == stamp_of(item->node);
    if (unchanged && now - item->node.ctime_ns > kGrain) {
      fresh.emplace_back(stamp_of(item->node), item->content);
    }
  }
  if (!fresh.empty()) {
    records.put_file_digests(fresh);
  }
}

NamedFile named(const Tree& tree, const Item& item) {
  const bool link = item.node.type == Node::Type::symlink;
  return {.path = item.path,
          .identity =
              link ? "-> " + tree.read_link(item.path) : fmt::format("{:04o} {}", item.node.mode, item.content.hex())};
}

void add_attributes(const Tree& tree, const std::string& path, const Node& node, KeyHasher& key) {
  key.add(node.mode).add((static_cast<std::uint64_t>(node.uid) << 32) | node.gid);
  for (const auto& [name, value] : tree.xattrs(path)) {
    key.add("x").add(name).add(value);
  }
}

/// --parents: the whole name counts, and how the directories are that the copy makes on its way.
void add_parents(const Tree& tree, const Selected& chosen, KeyHasher& key) {
  if (!chosen.with_parents) {
    return;
  }
  key.add("parents 2").add(chosen.parent).add(base_name(chosen.name));
  for (std::size_t end = 0; end < chosen.parent.size();) {
    end = std::min(chosen.parent.find('/', end + 1), chosen.parent.size());
    const auto path = resolve(tree, join(chosen.pivot, chosen.parent.substr(0, end)), Missing::fail);
    if (const auto node = path ? tree.lstat(*path) : std::nullopt) {
      add_attributes(tree, *path, *node, key);
    }
  }
}

}  // namespace

Digest digest_selection(const Tree& tree, const std::vector<Selected>& selected,
                        const std::vector<std::string>& excludes, store::Records& records, unsigned threads,
                        std::vector<NamedFile>* files) {
  std::unique_ptr<dockerfile::IgnoreMatcher> matcher;
  if (!excludes.empty()) {
    matcher = std::make_unique<dockerfile::IgnoreMatcher>(excludes);
  }
  std::vector<Item> items;
  KeyHasher key("dlc tree 1");
  std::vector<std::size_t> first_of;
  for (const auto& source : selected) {
    first_of.push_back(items.size());
    const auto relative = source.with_parents ? join(source.parent, base_name(source.name)) : std::string();
    collect(tree, source.path, relative, source.node, matcher.get(), items);
  }
  hash_contents(tree, items, records, threads);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> groups;
  for (std::size_t i = 0, source = 0; i < items.size(); ++i) {
    while (source < first_of.size() && first_of[source] == i) {
      // The name counts where it decides the copy's name: files, or whole paths with --parents.
      const auto& chosen = selected[source++];
      const bool directory = chosen.node.type == Node::Type::directory;
      key.add("source").add(directory ? std::string_view{} : base_name(chosen.name));
      add_parents(tree, chosen, key);
    }
    const auto& item = items[i];
    const auto& node = item.node;
    key.add(item.relative).add(static_cast<std::uint64_t>(node.type));
    add_attributes(tree, item.path, node, key);
    if (node.type == Node::Type::symlink) {
      key.add(tree.read_link(item.path));
    } else if (node.type == Node::Type::file) {
      key.add(item.content);
      if (node.links > 1) {
        key.add(groups.try_emplace({node.device, node.inode}, groups.size()).first->second);
      }
    } else if (node.type == Node::Type::character || node.type == Node::Type::block) {
      key.add((static_cast<std::uint64_t>(node.major) << 32) | node.minor);
    }
    if (files != nullptr && node.type != Node::Type::directory) {
      files->push_back(named(tree, item));
    }
  }
  return key.finish();
}

}  // namespace dlc::build
