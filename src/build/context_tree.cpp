#include "build/context_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "build/root_tree.h"
#include "dockerfile/ignore.h"

namespace dlc::build {

/// One entry: `name` below `dir` is the source; for a directory source `dir` is the source itself and `name` empty.
struct ContextTree::Place {
  std::string target;
  std::string source;
  UniqueFd dir;
  std::string name;
  std::optional<std::uint32_t> mode;
};

namespace {

bool is_below(std::string_view path, std::string_view ancestor) {
  return ancestor.empty() ||
         (path.starts_with(ancestor) && (path.size() == ancestor.size() || path[ancestor.size()] == '/'));
}

}  // namespace

ContextTree::ContextTree(const LocalOp& op) {
  for (const auto& entry : op.entries) {
    // The source itself may be a link (as `docker build` takes a context that is one); below it none is followed.
    std::error_code error;
    const auto source = std::filesystem::canonical(entry.source, error);
    if (error) {
      throw Error(ErrorKind::not_found, "the context file " + entry.source + " does not exist");
    }
    Place place{
        .target = clean_relative(entry.target), .source = source.string(), .dir = {}, .name = {}, .mode = entry.mode};
    if (std::filesystem::is_directory(source)) {
      place.dir = open_file(source.string(), O_PATH | O_DIRECTORY);
    } else {
      place.dir = open_file(source.parent_path().string(), O_PATH | O_DIRECTORY);
      place.name = source.filename().string();
    }
    for (auto parent = parent_path(place.target); !parent.empty(); parent = parent_path(parent)) {
      virtual_directories_.emplace_back(parent);
    }
    places_.push_back(std::move(place));
  }
  std::sort(virtual_directories_.begin(), virtual_directories_.end());
  virtual_directories_.erase(std::unique(virtual_directories_.begin(), virtual_directories_.end()),
                             virtual_directories_.end());
  // The most specific target first, later entries before earlier ones: the first match wins.
  std::reverse(places_.begin(), places_.end());
  std::stable_sort(places_.begin(), places_.end(),
                   [](const Place& a, const Place& b) { return a.target.size() > b.target.size(); });
  if (!op.ignore.empty()) {
    ignore_ = std::make_unique<dockerfile::IgnoreMatcher>(op.ignore);
  }
}

ContextTree::~ContextTree() = default;

const ContextTree::Place* ContextTree::place_of(const std::string& path, std::string& rest) const {
  for (const auto& place : places_) {
    if (!is_below(path, place.target)) {
      continue;
    }
    rest = path.size() == place.target.size() ? "" : path.substr(place.target.empty() ? 0 : place.target.size() + 1);
    if (!place.name.empty()) {
      if (!rest.empty()) {
        continue;  // a file has no children
      }
      rest = place.name;
    }
    return &place;
  }
  return nullptr;
}

std::optional<Node> ContextTree::raw(const std::string& path) const {
  std::string rest;
  std::optional<Node> node;
  if (const auto* place = place_of(path, rest)) {
    node = stat_node(place->dir.get(), rest);
    if (node && place->mode && node->type == Node::Type::file) {
      node->mode = *place->mode;
    }
  }
  if (!node && (path.empty() || std::binary_search(virtual_directories_.begin(), virtual_directories_.end(), path))) {
    node = Node{};
    node->type = Node::Type::directory;
    node->mode = 0755;
  }
  if (node) {
    node->uid = 0;
    node->gid = 0;
  }
  return node;
}

bool ContextTree::visible(const std::string& path, const Node& node) const {
  if (path.empty() || !ignore_ || !ignore_->ignored(path)) {
    return true;
  }
  if (node.type != Node::Type::directory || !ignore_->may_contain_included(path)) {
    return false;
  }
  for (const auto& name : raw_list(path)) {
    const auto child = join(path, name);
    const auto child_node = raw(child);
    if (child_node && visible(child, *child_node)) {
      return true;
    }
  }
  return false;
}

std::optional<Node> ContextTree::lstat(const std::string& path) const {
  auto node = raw(path);
  return node && visible(path, *node) ? node : std::nullopt;
}

bool ContextTree::is_ignored(const std::string& path) const {
  const auto node = raw(path);
  return node && !visible(path, *node);
}

std::vector<std::string> ContextTree::raw_list(const std::string& path) const {
  std::vector<std::string> names;
  std::string rest;
  const auto* place = place_of(path, rest);
  if (place != nullptr && place->name.empty()) {
    const auto node = stat_node(place->dir.get(), rest);
    if (node && node->type == Node::Type::directory) {
      // Through a descriptor with read access: the O_PATH one of the place cannot list.
      names = list_directory(place->dir.get(), rest);
    }
  }
  const auto add_child = [&](const std::string& target) {
    if (!target.empty() && parent_path(target) == path && target != path) {
      names.emplace_back(base_name(target));
    }
  };
  for (const auto& other : places_) {
    add_child(other.target);
  }
  for (const auto& directory : virtual_directories_) {
    add_child(directory);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> ContextTree::list(const std::string& path) const {
  auto names = raw_list(path);
  if (ignore_) {
    std::erase_if(names, [&](const std::string& name) { return !lstat(join(path, name)); });
  }
  return names;
}

UniqueFd ContextTree::open(const std::string& path) const {
  std::string rest;
  const auto* place = place_of(path, rest);
  if (place == nullptr) {
    throw Error(ErrorKind::not_found, "the context has no file " + path);
  }
  return open_at(place->dir.get(), rest, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

std::string ContextTree::read_link(const std::string& path) const {
  std::string rest;
  const auto* place = place_of(path, rest);
  if (place == nullptr) {
    throw Error(ErrorKind::not_found, "the context has no link " + path);
  }
  return read_link_at(place->dir.get(), rest);
}

std::map<std::string, std::string> ContextTree::xattrs(const std::string& path) const {
  std::string rest;
  const auto* place = place_of(path, rest);
  return place == nullptr ? std::map<std::string, std::string>{} : read_xattrs(place->dir.get(), rest);
}

std::string ContextTree::plain_directory() const {
  const bool plain = places_.size() == 1 && places_[0].target.empty() && places_[0].name.empty() && !ignore_;
  return plain ? places_[0].source : std::string();
}

}  // namespace dlc::build
