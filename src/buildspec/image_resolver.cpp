#include "buildspec/image_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/suggest.h"

namespace dlc::buildspec {

namespace {

std::string joined_path(const std::string& root, const std::string& path) {
  return (std::filesystem::path(root) / path).lexically_normal().generic_string();
}

void set(Pairs& pairs, const std::string& key, std::string value) {
  const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == key; });
  if (found != pairs.end()) {
    found->second = std::move(value);
  } else {
    pairs.emplace_back(key, std::move(value));
  }
}

bool is_number(Kind kind) {
  return kind == Kind::boolean || kind == Kind::integer || kind == Kind::floating;
}

bool can_fetch(std::string_view uri) {
  return uri.starts_with("s3://") || uri.starts_with("https://") || uri.starts_with("http://");
}

bool has(const std::vector<std::string>& values, const std::string& value) {
  return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

ImageResolver::ImageResolver(const Document& document, const FileFacts& file, const ResolveOptions& options,
                             Diagnostics& diagnostics)
    : document_(document), file_(file), options_(options), diagnostics_(diagnostics) {}

std::optional<PlannedImage> ImageResolver::resolve(const Entry& entry, const std::vector<PlannedImage>& earlier) {
  const Fields fields(document_, *entry.value.node, entry.key_at, "image " + entry.key, diagnostics_);
  if (of_other_version(fields)) {
    return std::nullopt;
  }
  PlannedImage image;
  image.buildspec = document_.name();
  image.name = entry.key;
  image.where = document_.location(entry.key_at);
  image.account_id = file_.account_id;
  image.region = file_.region;
  image.framework = file_.framework;
  image.version = file_.version;
  names(fields, image);
  image.source_date_epoch = file_.source_date_epoch;
  if (fields.given("source_date_epoch") != nullptr) {
    image.source_date_epoch = fields.whole_number("source_date_epoch", 0);
  }
  image.target = fields.optional("target");
  base(fields, earlier, image);
  downloads(fields, image);
  versions(fields, image);
  if (const auto chosen = std::find_if(image.build_args.begin(), image.build_args.end(),
                                       [](const auto& pair) { return pair.first == "BASE_IMAGE"; });
      chosen != image.build_args.end()) {
    if (const Node* own = fields.map("build_args"); own != nullptr && own->find("BASE_IMAGE") != nullptr) {
      fields.error(own->find("BASE_IMAGE")->key_at,
                   fmt::format("BASE_IMAGE is given by `{}` already", image.base ? "base" : "base_image_name"),
                   "remove one of them");
    }
  }
  pairs(fields, "build_args", image.build_args);
  pairs(fields, "labels", image.labels);
  requirements(fields, image);
  context(fields, image);
  const bool named = has(options_.image_types, image.image_type) && has(options_.device_types, image.device_type);
  image.to_build = flag(fields) && named;
  return image;
}

/// An image of its own `version` counts only where it equals the file's, compared as typed values.
bool ImageResolver::of_other_version(const Fields& fields) const {
  const Entry* own = fields.given("version");
  if (own == nullptr || file_.version_entry == nullptr) {
    return false;
  }
  const Use& a = own->value;
  const Use& b = file_.version_entry->value;
  const Kind kind_a = document_.kind(a);
  const Kind kind_b = document_.kind(b);
  if (is_number(kind_a) && is_number(kind_b)) {
    return a.node->number < b.node->number || a.node->number > b.node->number;
  }
  return kind_a != kind_b || document_.text(a) != document_.text(b);
}

/// A plain boolean is itself; anything else builds only where its text is exactly "true".
bool ImageResolver::flag(const Fields& fields) const {
  const Entry* entry = fields.find("build");
  if (entry == nullptr) {
    fields.missing("build");
    return false;
  }
  const Use& use = entry->value;
  const Kind kind = document_.kind(use);
  if (kind == Kind::mapping || kind == Kind::sequence) {
    static_cast<void>(fields.text(use, "build"));
    return false;
  }
  if (kind == Kind::boolean) {
    return use.node->anchor.empty() && use.node->number != 0;
  }
  return kind == Kind::string && document_.text(use) == "true";
}

void ImageResolver::names(const Fields& fields, PlannedImage& image) const {
  image.root = fields.required("root");
  image.repository = repository_in(file_.build_context, fields.required("repository"));
  image.stable_tag = fields.required("tag") + file_.tag_suffix;
  image.tag = image.stable_tag + file_.date_suffix;
  image.docker_file = fields.required("docker_file");
  image.docker_file_path = joined_path(image.root, image.docker_file);
  image.device_type = fields.required("device_type");
  image.python_version = fields.required("python_version");
  image.image_type = fields.required("image_type");
  if (const Entry* entry = fields.find("root"); entry != nullptr) {
    static_cast<void>(inside(joined_path(image.root, "."), entry->value.at, "the root"));
  }
  if (const Entry* entry = fields.find("docker_file"); entry != nullptr) {
    image.docker_file_where = document_.location(entry->value.at);
    static_cast<void>(inside(image.docker_file_path, entry->value.at, "the Dockerfile"));
  }
  if (const Entry* entry = fields.find("image_size_baseline"); entry != nullptr) {
    image.image_size_baseline = fields.whole_number("image_size_baseline", 0).value_or(0);
    image.baseline_where = document_.location(entry->value.aliased ? entry->value.node->at : entry->value.at);
  } else {
    fields.missing("image_size_baseline");
  }
}

void ImageResolver::base(const Fields& fields, const std::vector<PlannedImage>& earlier, PlannedImage& image) const {
  image.base = fields.optional("base");
  image.base_image_name = fields.optional("base_image_name");
  if (image.base) {
    image.build_args.emplace_back("BASE_IMAGE", "dlc.local/base/" + *image.base);
  }
  if (!image.base_image_name) {
    return;
  }
  const Position at = fields.find("base_image_name")->value.at;
  if (image.base) {
    fields.error(fields.find("base")->key_at, "`base` beside `base_image_name`",
                 "an image has one base; remove one of them");
    return;
  }
  const auto parent = std::find_if(earlier.begin(), earlier.end(),
                                   [&](const PlannedImage& other) { return other.name == *image.base_image_name; });
  if (parent != earlier.end()) {
    image.base_image_uri = full_reference(*parent);
    image.build_args.emplace_back("BASE_IMAGE", *image.base_image_uri);
    return;
  }
  std::vector<std::string> candidates;
  for (const auto& other : earlier) {
    candidates.push_back(other.name);
  }
  const std::string similar = closest(*image.base_image_name, candidates);
  const Node* images = document_.root()->find("images")->value.node;
  const Entry* elsewhere = images->find(*image.base_image_name);
  std::string hint =
      similar.empty() ? "it names an image of this file that stands above" : fmt::format("did you mean {}?", similar);
  if (*image.base_image_name == image.name) {
    hint = "an image can't be its own base";
  } else if (elsewhere != nullptr) {
    hint = fmt::format("{} (line {}) must stand above and have this file's version", elsewhere->key,
                       elsewhere->key_at.line);
  }
  fields.error(at, fmt::format("no image {} above this one", *image.base_image_name), std::move(hint));
}

void ImageResolver::downloads(const Fields& fields, PlannedImage& image) const {
  const Node* artifacts = fields.map("download_artifacts");
  for (std::size_t i = 0; artifacts != nullptr && i < artifacts->entries.size(); ++i) {
    const Entry& entry = artifacts->entries[i];
    if (entry.value.node->kind != Kind::mapping) {
      fields.error(entry.value.at,
                   fmt::format("download {} must be a map with type, URI and VAR_IN_DOCKERFILE", entry.key));
      continue;
    }
    const Fields artifact(document_, *entry.value.node, entry.key_at, "download " + entry.key, diagnostics_);
    Download download;
    download.type = artifact.required("type");
    download.uri = artifact.required("URI");
    download.variable = artifact.required("VAR_IN_DOCKERFILE");
    download.target = download.uri.substr(download.uri.rfind('/') + 1);
    download.where = document_.location(entry.key_at);
    if (const Entry* uri = artifact.find("URI"); uri != nullptr && !download.uri.empty() && download.target.empty()) {
      artifact.error(uri->value.at, "the URI ends in /, so the download has no name", "name a file");
    } else if (uri != nullptr && !download.uri.empty() && !can_fetch(download.uri)) {
      artifact.error(uri->value.at, fmt::format("nothing here can fetch {}", download.uri),
                     "expected s3://BUCKET/KEY, https:// or http://");
    }
    set(image.build_args, download.variable, download.target);
    set(image.labels, download.variable, download.target);
    set(image.labels, download.variable + "_URI", download.uri);
    image.downloads.push_back(std::move(download));
  }
}

void ImageResolver::versions(const Fields& fields, PlannedImage& image) const {
  struct Rule {
    std::string_view key;
    const char* argument;
    bool huggingface_only;
  };
  static constexpr Rule kRules[] = {{"transformers_version", "TRANSFORMERS_VERSION", true},
                                    {"datasets_version", "DATASETS_VERSION", true},
                                    {"torch_serve_version", "TORCHSERVE_VERSION", false},
                                    {"tool_kit_version", "SM_TOOLKIT_VERSION", false}};
  for (const auto& rule : kRules) {
    if (rule.huggingface_only && !image.framework.starts_with("huggingface")) {
      continue;
    }
    if (auto value = fields.optional(rule.key)) {
      set(image.build_args, rule.argument, std::move(*value));
    }
  }
}

void ImageResolver::pairs(const Fields& fields, std::string_view key, Pairs& pairs) const {
  const Node* map = fields.map(key);
  for (std::size_t i = 0; map != nullptr && i < map->entries.size(); ++i) {
    const Entry& entry = map->entries[i];
    if (document_.kind(entry.value) == Kind::null) {
      set(pairs, entry.key, entry.value.node->text);
    } else if (auto value = fields.text(entry.value, fmt::format("{}.{}", key, entry.key))) {
      set(pairs, entry.key, std::move(*value));
    }
  }
}

void ImageResolver::requirements(const Fields& fields, PlannedImage& image) const {
  const Entry* entry = fields.given("requires");
  if (entry == nullptr) {
    return;
  }
  image.needs_where = document_.location(entry->key_at);
  const Node& node = *entry->value.node;
  const std::vector<Use> items = node.kind == Kind::sequence ? node.items : std::vector<Use>{entry->value};
  for (const auto& item : items) {
    if (auto name = fields.text(item, "requires")) {
      image.needs.push_back(std::move(*name));
    }
  }
}

bool ImageResolver::inside(const std::string& path, const Position& at, std::string_view what) const {
  if (!path.starts_with("/") && path != ".." && !path.starts_with("../")) {
    return true;
  }
  diagnostics_.add(document_.finding(Severity::error, at,
                                     fmt::format("{} lies outside of the repository: {}", what, path),
                                     "expected a path in the repository"));
  return false;
}

std::optional<ContextEntry> ImageResolver::context_entry(const Entry& entry, const PlannedImage& image) const {
  const Node& node = *entry.value.node;
  const Entry* source = node.kind == Kind::mapping ? node.find("source") : nullptr;
  const Entry* target = node.kind == Kind::mapping ? node.find("target") : nullptr;
  if (source == nullptr || target == nullptr) {
    return std::nullopt;  // a holder of anchors such as training_context
  }
  const Fields fields(document_, node, entry.key_at, "context entry " + entry.key, diagnostics_);
  auto from = fields.text(source->value, "source");
  auto to = fields.text(target->value, "target");
  if (!from || !to) {
    return std::nullopt;
  }
  ContextEntry result;
  result.path = joined_path(image.root, *from);
  static_cast<void>(inside(result.path, source->value.at, "the source"));
  const auto place = std::filesystem::path(*to).lexically_normal().generic_string();
  if (place.starts_with("/") || place == ".." || place.starts_with("../")) {
    fields.error(target->value.at, fmt::format("the target lies outside of the build context: {}", *to),
                 "expected a path below the context, such as app/main.py");
  }
  result.source = std::move(*from);
  result.target = std::move(*to);
  result.where = document_.location(source->value.at);
  return result;
}

/// The file's entries, over them the image's, then the downloads, then the Dockerfile; a key keeps its first place.
void ImageResolver::context(const Fields& fields, PlannedImage& image) const {
  std::vector<std::optional<ContextEntry>> entries;
  std::unordered_map<std::string, std::size_t> places;
  const auto put = [&](const std::string& key, std::optional<ContextEntry> value) {
    const auto [place, is_new] = places.try_emplace(key, entries.size());
    if (is_new) {
      entries.push_back(std::move(value));
    } else {
      entries[place->second] = std::move(value);
    }
  };
  for (const Node* map : {file_.context, fields.map("context")}) {
    for (std::size_t i = 0; map != nullptr && i < map->entries.size(); ++i) {
      put(map->entries[i].key, context_entry(map->entries[i], image));
    }
  }
  const Node* artifacts = fields.map("download_artifacts");
  for (std::size_t i = 0; artifacts != nullptr && i < image.downloads.size() && i < artifacts->entries.size(); ++i) {
    const auto& download = image.downloads[i];
    const auto place = std::filesystem::absolute(options_.root / download.target).lexically_normal();
    put(artifacts->entries[i].key,
        ContextEntry{place.generic_string(), download.target, download.target, true, download.where});
  }
  put("dockerfile",
      ContextEntry{image.docker_file, image.docker_file_path, "Dockerfile", false, image.docker_file_where});
  for (auto& entry : entries) {
    if (entry) {
      image.context.push_back(std::move(*entry));
    }
  }
}

}  // namespace dlc::buildspec
