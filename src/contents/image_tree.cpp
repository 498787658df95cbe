#include "contents/image_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/fd.h"
#include "store/tree.h"

namespace dlc::contents {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr int kMaxLinks = 40;  // as the kernel

class SnapshotFiles : public LayerFiles {
 public:
  explicit SnapshotFiles(const std::vector<std::string>& directories) {
    for (const auto& directory : directories) {
      roots_.push_back(open_file(directory, O_RDONLY | O_DIRECTORY));
    }
  }

  [[nodiscard]] std::string read(std::size_t layer, const std::string& path, std::uint64_t offset,
                                 std::uint64_t limit) const override {
    const UniqueFd fd = store::open_beneath(roots_.at(layer).get(), path, O_RDONLY | O_NONBLOCK);
    std::string text;
    while (text.size() < limit) {
      const auto have = text.size();
      text.resize(static_cast<std::size_t>(std::min<std::uint64_t>(limit, std::max<std::uint64_t>(have * 2, 1 << 16))));
      const auto count = ::pread(fd.get(), text.data() + have, text.size() - have, static_cast<off_t>(offset + have));
      if (count < 0) {
        throw system_error("read " + path);
      }
      const bool full = have + static_cast<std::size_t>(count) == text.size();
      text.resize(have + static_cast<std::size_t>(count));
      if (!full) {
        break;
      }
    }
    return text;
  }

 private:
  std::vector<UniqueFd> roots_;
};

std::string joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && !name.empty()) {
    path += '/';
  }
  return path += name;
}

}  // namespace

std::unique_ptr<LayerFiles> snapshot_files(const std::vector<std::string>& directories) {
  return std::make_unique<SnapshotFiles>(directories);
}

std::string clean_path(std::string_view path) {
  std::string result;
  while (!path.empty()) {
    const auto part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part == "..") {
      result = directory_of(result);
    } else if (!part.empty() && part != ".") {
      result = joined(result, part);
    }
  }
  return result;
}

std::string_view directory_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

ImageTree::ImageTree(const std::vector<std::vector<store::IndexEntry>>& layers, const LayerFiles& files)
    : files_(files) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    apply(layers[i], i);
  }
}

void ImageTree::apply(const std::vector<store::IndexEntry>& entries, std::size_t layer) {
  // Removals speak of the layers below, wherever they stand in the tar.
  for (const auto& entry : entries) {
    const auto name = base_name(entry.path);
    const auto directory = directory_of(entry.path);
    if (name == kOpaque) {
      remove(std::string(directory), layer, true);
    } else if (name.starts_with(kWhiteout)) {
      remove(joined(directory, name.substr(kWhiteout.size())), layer, false);
    }
  }
  for (const auto& entry : entries) {
    if (!base_name(entry.path).starts_with(kWhiteout)) {
      put(entry, layer);
    }
  }
}

void ImageTree::remove(const std::string& path, std::size_t layer, bool children_only) {
  const auto lose = [&](Nodes::iterator at) {
    const auto& [name, node] = *at;
    if (node.entry.type == 'f' && node.entry.link.empty() && node.entry.size > 0 && node.layer != layer) {
      lost_.push_back({name, node.entry.size, node.layer, layer, false});
    }
    return nodes_.erase(at);
  };
  const auto below = path.empty() ? std::string() : path + "/";
  for (auto at = nodes_.lower_bound(below); at != nodes_.end() && at->first.starts_with(below);) {
    at = at->second.layer == layer || at->first.empty() ? std::next(at) : lose(at);
  }
  if (const auto at = nodes_.find(path); !children_only && at != nodes_.end() && at->second.layer != layer) {
    lose(at);
  }
}

void ImageTree::put(store::IndexEntry entry, std::size_t layer) {
  if (entry.type == 'h') {
    if (const auto* target = find(entry.link); target != nullptr && target->entry.type == 'f') {
      const auto link = target->entry.link.empty() ? entry.link : target->entry.link;
      auto path = std::move(entry.path);
      entry = target->entry;
      entry.path = std::move(path);
      entry.link = link;
    }
  }
  if (const auto at = nodes_.find(entry.path); at != nodes_.end()) {
    const auto& old = at->second;
    if (old.entry.type == 'f' && old.entry.link.empty() && old.entry.size > 0 && old.layer != layer) {
      lost_.push_back({entry.path, old.entry.size, old.layer, layer, true});
    }
    if (old.entry.type == 'd' && entry.type != 'd') {
      remove(entry.path, layer, true);
    }
  }
  add_parents(entry.path, layer);
  auto path = entry.path;
  nodes_.insert_or_assign(std::move(path), Node{std::move(entry), layer});
}

void ImageTree::add_parents(std::string_view path, std::size_t layer) {
  constexpr std::uint32_t kMode = 0755;  // as the extractor makes them
  for (auto parent = directory_of(path); !parent.empty() && !nodes_.contains(parent); parent = directory_of(parent)) {
    store::IndexEntry entry;
    entry.path = parent;
    entry.type = 'd';
    entry.mode = kMode;
    nodes_.emplace(parent, Node{std::move(entry), layer});
  }
}

const Node* ImageTree::find(std::string_view path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

std::optional<std::string> ImageTree::resolve(std::string_view path) const {
  std::string rest(path);
  std::string done;
  for (int links = 0; !rest.empty();) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    rest = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
    if (part.empty() || part == ".") {
      continue;
    }
    if (part == "..") {
      done = directory_of(done);
      continue;
    }
    auto next = joined(done, part);
    const auto* node = find(next);
    if (node == nullptr) {
      return std::nullopt;
    }
    if (node->entry.type != 'l') {
      done = std::move(next);
    } else {
      if (++links > kMaxLinks) {
        return std::nullopt;
      }
      if (node->entry.link.starts_with('/')) {
        done.clear();
      }
      rest = node->entry.link + (rest.empty() ? "" : "/" + rest);
    }
  }
  return done;
}

const Node* ImageTree::file(std::string_view path) const {
  const auto resolved = resolve(path);
  const auto* node = resolved ? find(*resolved) : nullptr;
  return node != nullptr && node->entry.type == 'f' ? node : nullptr;
}

std::vector<std::string> ImageTree::list(std::string_view directory) const {
  std::vector<std::string> found;
  const auto below = directory.empty() ? std::string() : std::string(directory) + "/";
  for (auto at = nodes_.lower_bound(below); at != nodes_.end() && at->first.starts_with(below);) {
    const auto slash = at->first.find('/', below.size());
    if (slash == std::string::npos) {
      if (!at->first.empty()) {
        found.push_back(at->first);
      }
      ++at;
    } else {
      at = nodes_.lower_bound(at->first.substr(0, slash) + "0");  // '0' follows '/': past all below
    }
  }
  return found;
}

std::optional<std::string> ImageTree::read(std::string_view path, std::uint64_t limit) const {
  const auto* node = file(path);
  return node == nullptr ? std::nullopt : std::optional(read(*node, 0, limit));
}

std::string ImageTree::read(const Node& node, std::uint64_t offset, std::uint64_t limit) const {
  if (offset >= node.entry.size) {
    return {};
  }
  return files_.read(node.layer, node.entry.path, offset, std::min(limit, node.entry.size - offset));
}

}  // namespace dlc::contents
