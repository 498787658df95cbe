#include "build/selection.h"

#include <algorithm>

#include "base/error.h"
#include "build/context_tree.h"
#include "dockerfile/ignore.h"

namespace dlc::build {

namespace {

bool has_wildcard(std::string_view text) {
  return text.find_first_of("*?[\\") != std::string_view::npos;
}

std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    }
    result += text[i];
  }
  return result;
}

/// All paths that match the components of `pattern` from `at` on, below `base` (whose links are resolved).
void expand(const Tree& tree, const std::string& matched, std::string_view rest, std::vector<std::string>& found);

/// "**" stands for any number of directories, none too.
void expand_any_depth(const Tree& tree, const std::string& matched, std::string_view after,
                      std::vector<std::string>& found) {
  expand(tree, matched, after, found);
  for (const auto& name : tree.list(matched)) {
    const auto child = join(matched, name);
    const auto node = tree.lstat(child);
    if (node && node->type == Node::Type::directory) {
      expand_any_depth(tree, child, after, found);
    }
  }
}

void expand(const Tree& tree, const std::string& matched, std::string_view rest, std::vector<std::string>& found) {
  const auto slash = rest.find('/');
  const auto part = rest.substr(0, slash);
  const auto after = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  const auto resolved = resolve(tree, matched, Missing::fail);
  if (!resolved) {
    return;
  }
  const auto node = tree.lstat(*resolved);
  if (!node || node->type != Node::Type::directory) {
    return;
  }
  if (part == "**" && !after.empty()) {
    expand_any_depth(tree, *resolved, after, found);
    return;
  }
  if (!has_wildcard(part)) {
    const auto child = join(matched, part);
    if (after.empty()) {
      if (tree.lstat(join(*resolved, part))) {
        found.push_back(child);
      }
    } else {
      expand(tree, child, after, found);
    }
    return;
  }
  const bool literal = part.find_first_of("*?[") == std::string_view::npos;
  for (const auto& name : tree.list(*resolved)) {
    if (literal ? unescape(part) != name : !dockerfile::glob_match(part, name)) {
      continue;
    }
    if (after.empty()) {
      found.push_back(join(matched, name));
    } else {
      expand(tree, join(matched, name), after, found);
    }
  }
}

/// "a/b/./c/d": what is behind the pivot "/./" is kept below the destination.
void split_at_pivot(std::string_view written, Selected& selected) {
  const auto at = written.find("/./");
  const auto depth = [](std::string_view path) {
    return path.empty() ? 0 : std::count(path.begin(), path.end(), '/') + 1;
  };
  auto skipped = at == std::string_view::npos ? 0 : depth(clean_relative(written.substr(0, at)));
  std::string_view parent = parent_path(selected.name);
  while (skipped-- > 0 && !parent.empty()) {
    const auto first = parent.substr(0, parent.find('/'));
    selected.pivot = join(selected.pivot, first);
    parent.remove_prefix(std::min(parent.size(), first.size() + 1));
  }
  selected.parent = parent;
}

/// Where a match is in the tree. With --parents it is taken as it is, else a link is followed.
std::optional<std::string> place_of(const Tree& tree, const std::string& match, bool parents) {
  if (!parents || match.empty()) {
    return resolve(tree, match, Missing::fail);
  }
  const auto parent = resolve(tree, parent_path(match), Missing::fail);
  return parent ? std::optional(join(*parent, base_name(match))) : std::nullopt;
}

}  // namespace

Error not_found(const Tree& tree, const std::string& path) {
  const auto* context = dynamic_cast<const ContextTree*>(&tree);
  Error error(ErrorKind::not_found, std::string("failed to compute cache key: failed to calculate checksum of ref ") +
                                        (context != nullptr ? "context" : "stage") + ": \"/" + path + "\": not found");
  if (context != nullptr && context->is_ignored(path)) {
    error.hint("it exists, but .dockerignore leaves it out");
  }
  return error;
}

std::vector<Selected> select(const Tree& tree, const CopySource& source, bool parents) {
  const auto pattern = clean_relative(source.path);
  std::vector<std::string> matches;
  if (pattern.empty() || !has_wildcard(pattern)) {
    matches.push_back(pattern);
  } else {
    if (!dockerfile::glob_is_valid(pattern)) {
      throw Error(ErrorKind::invalid, "syntax error in pattern: " + source.path);
    }
    expand(tree, "", pattern, matches);
    if (parents) {  // the directories on the way are copied as they are, so none may be a link
      std::erase_if(matches, [&](const auto& match) {
        return resolve(tree, parent_path(match), Missing::fail) != std::string(parent_path(match));
      });
    }
  }
  std::vector<Selected> selected;
  for (const auto& match : matches) {
    const auto path = place_of(tree, match, parents);
    const auto node = path ? tree.lstat(*path) : std::nullopt;
    if (!node) {
      throw not_found(tree, match);
    }
    selected.push_back(
        {.path = *path, .name = match, .with_parents = parents, .parent = {}, .pivot = {}, .node = *node});
    if (parents) {
      split_at_pivot(source.path, selected.back());
    }
  }
  return selected;
}

}  // namespace dlc::build
