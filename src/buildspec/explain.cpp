#include "buildspec/explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/suggest.h"
#include "buildspec/document.h"

namespace dlc::buildspec {

namespace {

constexpr std::size_t kMostLines = 200;

std::string as_written(const Node& node);

std::string part_as_written(const Use& use) {
  if (use.aliased) {
    return "*" + use.node->anchor;
  }
  return use.node->joined ? as_written(*use.node)
                          : (use.node->plain ? use.node->source : fmt::format("\"{}\"", use.node->source));
}

/// A value as a reader would recognise it in the file.
std::string as_written(const Node& node) {
  if (node.joined) {
    std::vector<std::string> parts;
    for (const auto& part : node.items) {
      parts.push_back(part_as_written(part));
    }
    return fmt::format("!join [{}]", fmt::join(parts, ", "));
  }
  switch (node.kind) {
    case Kind::sequence:
      return fmt::format("a list of {}", node.items.size());
    case Kind::mapping:
      return fmt::format("a map of {}", node.entries.size());
    default:
      return node.source;
  }
}

class Explainer {
 public:
  Explainer(const Document& document, const Environment& environment)
      : document_(document), environment_(environment) {}

  std::string run(const Entry& entry) {
    const Use& use = entry.value;
    const std::string value = is_scalar(*use.node) ? document_.text(use) : as_written(*use.node);
    line(0, fmt::format("{}   {}", value, origin(use, document_.replacement(use))));
    for (const auto& merge : entry.via) {
      line(1, fmt::format("merged from {}  {}, by << in line {}", merge.aliased ? "*" + merge.node->anchor : "a map",
                          place(merge.node->at), merge.at.line));
    }
    const Entry* duplicate = nullptr;
    for (const auto& candidate : owner_duplicates_) {
      duplicate = candidate.key == entry.key ? &candidate : duplicate;
    }
    if (duplicate != nullptr) {
      line(1, fmt::format("the key stands again in line {}; the first one counts", duplicate->key_at.line));
    }
    if (document_.replacement(use) == nullptr) {
      parts(*use.node, 1);
    }
    return std::move(text_);
  }

  void owner(const Node& map) { owner_duplicates_ = map.duplicates; }

 private:
  static bool is_scalar(const Node& node) { return node.kind != Kind::sequence && node.kind != Kind::mapping; }

  [[nodiscard]] std::string place(const Position& at) const {
    return fmt::format("{}:{}:{}", document_.name(), at.line, at.column);
  }

  /// Where a use's value comes from: its place, how it is written there, what replaced it.
  [[nodiscard]] std::string origin(const Use& use, const std::string* replaced) const {
    const Node& node = *use.node;
    std::string text;
    if (replaced != nullptr) {
      const bool set = environment_.count(node.anchor) != 0 && environment_.find(node.anchor)->second == *replaced;
      text = set ? fmt::format("from the environment variable {}, over {}", node.anchor, place(node.at))
                 : fmt::format("chosen by the selection ({}), over {}", node.anchor, place(node.at));
      return text;
    }
    text = place(node.at);
    if (node.joined || (is_scalar(node) && node.plain && node.source != node.text)) {
      text += "  " + as_written(node);
    }
    return text + definitions(use);
  }

  /// Which of several definitions of the anchor an alias means.
  [[nodiscard]] std::string definitions(const Use& use) const {
    if (!use.aliased) {
      return {};
    }
    const auto& all = document_.definitions(use.node->anchor);
    const auto above =
        std::count_if(all.begin(), all.end(), [&](const Node* node) { return node->at.line <= use.at.line; });
    return above > 1 ? fmt::format(" (last of {} definitions above line {})", above, use.at.line) : std::string();
  }

  void parts(const Node& node, int depth) {
    if (!node.joined) {
      return;
    }
    std::size_t width = 0;
    for (const auto& part : node.items) {
      width = std::max(width, part.aliased ? part.node->anchor.size() + 1 : 0);
    }
    for (const auto& part : node.items) {
      const std::string* replaced = document_.part_replacement(*part.node);
      const bool interesting = part.aliased || part.node->joined || replaced != nullptr ||
                               (part.node->plain && part.node->source != part.node->text);
      if (!interesting) {
        continue;
      }
      const std::string name = part.aliased ? "*" + part.node->anchor : "item";
      const std::string& value = replaced != nullptr ? *replaced : part.node->text;
      line(depth, fmt::format("{:<{}}  \"{}\"  {}", name, width, value, origin(part, replaced)));
      if (replaced == nullptr) {
        parts(*part.node, depth + 1);
      }
    }
  }

  void line(int depth, const std::string& text) {
    if (++lines_ <= kMostLines) {
      text_ += std::string(static_cast<std::size_t>(depth) * 2, ' ') + text + "\n";
    }
  }

  const Document& document_;
  const Environment& environment_;
  std::vector<Entry> owner_duplicates_;
  std::string text_;
  std::size_t lines_ = 0;
};

/// Fields of the plan that another key of the buildspec decides.
std::string key_of(std::string_view field) {
  if (field == "to_build") {
    return "build";
  }
  return field == "base_image_uri" ? "base_image_name" : std::string(field);
}

Error unknown_field(const std::string& image, const std::string& path, const Node& map) {
  std::vector<std::string> keys;
  for (const auto& entry : map.entries) {
    keys.push_back(entry.key);
  }
  const auto key = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
  const auto similar = closest(key, keys);
  return Error(ErrorKind::usage, fmt::format("--explain: image {} has no `{}`", image, path))
      .hint(similar.empty() ? fmt::format("it has {}", fmt::join(keys, ", "))
                            : fmt::format("did you mean {}?", similar));
}

/// A path of keys such as "context.entrypoint.source" followed in a map; keys may hold dots themselves.
struct Lookup {
  const Entry* entry = nullptr;  ///< null: not found
  const Node* map = nullptr;     ///< the deepest map that was reached
  std::string path;              ///< as far as it was followed
  bool below_value = false;      ///< there is something at `path`, but nothing below it
};

Lookup look_up(const Node& start, const std::string& field) {
  Lookup result{.entry = nullptr, .map = &start, .path = {}};
  for (std::string_view rest = field;;) {
    const auto dot = rest.find('.');
    const Entry* entry = result.map->find(rest);
    if (entry == nullptr) {
      const auto key = std::string(rest.substr(0, dot));
      entry = result.map->find(result.path.empty() ? key_of(key) : key);
      result.path += (result.path.empty() ? "" : ".") + key;
      rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    } else {
      rest = {};
    }
    if (entry == nullptr || rest.empty()) {
      result.entry = entry;
      return result;
    }
    if (entry->value.node->kind != Kind::mapping) {
      result.below_value = true;
      return result;
    }
    result.map = entry->value.node;
  }
}

/// The key of an image that decides a field of the plan which no key of that name does.
std::string deciding_key(const Node& image, const std::string& field) {
  struct Rule {
    std::string_view field;
    std::string_view key;
  };
  static constexpr Rule kRules[] = {{"build_args.BASE_IMAGE", "base"},
                                    {"build_args.BASE_IMAGE", "base_image_name"},
                                    {"build_args.TRANSFORMERS_VERSION", "transformers_version"},
                                    {"build_args.DATASETS_VERSION", "datasets_version"},
                                    {"build_args.TORCHSERVE_VERSION", "torch_serve_version"},
                                    {"build_args.SM_TOOLKIT_VERSION", "tool_kit_version"},
                                    {"downloads", "download_artifacts"},
                                    {"docker_file_path", "docker_file"},
                                    {"stable_tag", "tag"},
                                    {"short_name", "tag"}};
  for (const auto& rule : kRules) {
    if (field == rule.field && image.find(rule.key) != nullptr) {
      return std::string(rule.key);
    }
  }
  // arguments and labels of a download are named after its VAR_IN_DOCKERFILE
  const Entry* downloads = image.find("download_artifacts");
  for (std::size_t i = 0; downloads != nullptr && i < downloads->value.node->entries.size(); ++i) {
    const Entry& download = downloads->value.node->entries[i];
    const Entry* variable = download.value.node->find("VAR_IN_DOCKERFILE");
    const auto name = variable == nullptr ? std::string() : variable->value.node->text;
    if (!name.empty() &&
        (field == "build_args." + name || field == "labels." + name || field == "labels." + name + "_URI")) {
      return "download_artifacts." + download.key + ".URI";
    }
  }
  return {};
}

/// What all images of a file share.
bool is_shared(const std::string& field) {
  static constexpr std::string_view kShared[] = {"account_id",        "region", "framework", "version",
                                                 "source_date_epoch", "context"};
  return std::ranges::find(kShared, std::string_view(field).substr(0, field.find('.'))) != std::end(kShared);
}

std::string explain_in(const Document& document, const Environment& environment, const Entry& image,
                       const std::string& field) {
  const Node& own = *image.value.node;
  auto found = look_up(own, field);
  std::string text;
  if (found.entry == nullptr && is_shared(field)) {
    const auto shared = look_up(*document.root(), field);
    found = shared.entry != nullptr ? shared : found;
  }
  if (const auto key = deciding_key(own, field); found.entry == nullptr && !key.empty()) {
    found = look_up(own, key);
    text = fmt::format("decided by `{}`:\n", key);
  }
  if (found.entry == nullptr && field == "source_date_epoch") {
    return "1577836800   the default: neither the image nor the file has this key\n";
  }
  if (found.entry == nullptr) {
    if (found.below_value) {
      throw Error(ErrorKind::usage,
                  fmt::format("--explain: `{}` of image {} has nothing below it", found.path, image.key));
    }
    throw unknown_field(image.key, found.path, *found.map);
  }
  Explainer explainer(document, environment);
  explainer.owner(*found.map);
  return text + explainer.run(*found.entry);
}

/// What the plan makes of a tag or a repository after the file has been read.
std::string in_the_plan(const Plan& plan, const Document& document, const std::string& image, std::string_view field) {
  for (const auto& planned : plan.images) {
    if (planned.buildspec != document.name() || planned.name != image) {
      continue;
    }
    if (field == "tag") {
      return fmt::format("  in the plan: {}\n", planned.tag);
    }
    if (field == "repository") {
      return fmt::format("  in the plan: {}\n", planned.repository);
    }
    if (field == "build" || field == "to_build") {
      return fmt::format("  in the plan: {}\n", planned.to_build ? "built" : "not built");
    }
  }
  return {};
}

}  // namespace

std::string explain(const Plan& plan, const ResolveOptions& options, std::string_view image_field) {
  std::string text;
  std::vector<std::string> names;
  for (const auto& document : plan.documents) {
    const Node* root = document->root();
    const Entry* images = root != nullptr && root->kind == Kind::mapping ? root->find("images") : nullptr;
    if (images == nullptr || images->value.node->kind != Kind::mapping) {
      continue;
    }
    for (const auto& image : images->value.node->entries) {
      names.push_back(image.key);
      if (image.value.node->kind == Kind::mapping && image_field.starts_with(image.key + ".")) {
        const std::string field(image_field.substr(image.key.size() + 1));
        text += explain_in(*document, options.environment, image, field);
        text += in_the_plan(plan, *document, image.key, field);
      }
    }
  }
  if (text.empty()) {
    const std::string name(image_field.substr(0, image_field.find('.')));
    const bool there = std::find(names.begin(), names.end(), name) != names.end();
    const auto similar = closest(name, names);
    throw Error(ErrorKind::usage, there ? fmt::format("--explain: which field of {}?", name)
                                        : fmt::format("--explain: no image \"{}\"", name))
        .hint(there ? "write IMAGE.FIELD, such as " + name + ".tag"
                    : (similar.empty() ? "dlc plan lists the images" : "did you mean " + similar + "?"));
  }
  return text;
}

}  // namespace dlc::buildspec
