#include "buildspec/document_lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/suggest.h"
#include "buildspec/keys.h"
#include "buildspec/selection.h"

namespace dlc::buildspec {

namespace {

bool is_map(const Entry& entry) {
  return entry.value.node->kind == Kind::mapping;
}

/// A map that was meant to be an image.
bool looks_like_image(const Node& node) {
  return node.find("docker_file") != nullptr && (node.find("build") != nullptr || node.find("tag") != nullptr);
}

std::vector<std::string> flags_of(std::string_view framework) {
  std::vector<std::string> names;
  const std::string family(framework.substr(0, framework.find('_')));
  for (const std::string& prefix : {std::string(framework), family}) {
    for (const auto& device : known_device_types()) {
      for (const auto& type : known_image_types()) {
        for (const auto& python : known_py_versions()) {
          names.push_back(selection_variable(prefix, device, type, python));
        }
      }
    }
  }
  return names;
}

}  // namespace

DocumentLint::DocumentLint(const Document& document, const Environment& environment, Diagnostics& diagnostics)
    : document_(document), environment_(environment), diagnostics_(diagnostics) {
  const Entry* framework = document.root()->find("framework");
  framework_ = framework != nullptr ? document.text(framework->value) : std::string();
}

void DocumentLint::warn(const Position& at, std::string message, std::string hint, const char* rule,
                        Severity severity) {
  diagnostics_.add(document_.finding(severity, at, std::move(message), std::move(hint), rule));
}

void DocumentLint::run() {
  placeholders();
  repeated_keys_and_tags();
  number_versions();
  shared_variables();
  misplaced_images();
  const Node& root = *document_.root();
  keys(root, top_level_keys(), "the top level");
  if (const Entry* context = root.find("context"); context != nullptr && is_map(*context)) {
    context_keys(*context->value.node, 0);
  }
  const Entry* images = root.find("images");
  for (std::size_t i = 0; images != nullptr && i < images->value.node->entries.size(); ++i) {
    const Entry& entry = images->value.node->entries[i];
    if (is_map(entry)) {
      image(entry);
    }
  }
}

void DocumentLint::placeholders() {
  for (const auto& node : document_.nodes()) {
    if (node.kind != Kind::string || node.joined || document_.part_replacement(node) != nullptr) {
      continue;
    }
    if (const auto name = unset_placeholder(node.source)) {
      warn(node.at, fmt::format("{} is not set, so this placeholder stays in the names of images", *name),
           fmt::format("export {}=...", *name), "unset-placeholder");
    }
  }
}

void DocumentLint::repeated_keys_and_tags() {
  for (const auto& node : document_.nodes()) {
    if (!node.tag.empty()) {
      warn(node.at, fmt::format("unknown tag {}", node.tag), "the one tag is !join", "unknown-tag");
    }
    for (const auto& again : node.duplicates) {
      const Entry* first = again.key == "<<" ? nullptr : node.find(again.key);
      warn(again.key_at,
           first != nullptr
               ? fmt::format("`{}` stands here again; its first value (line {}) counts", again.key, first->key_at.line)
               : "a second << in one map does nothing",
           first != nullptr ? "remove one of them" : "write <<: [*A, *B]", "duplicate-key");
    }
  }
}

/// 1.10 unquoted is the number 1.1; the rule looks at what is called a version and at what is joined.
void DocumentLint::number_versions() {
  for (const auto& node : document_.nodes()) {
    for (const auto& part : node.joined ? node.items : std::vector<Use>()) {
      number_version(*part.node);
    }
    for (const auto& entry : node.entries) {
      if (entry.via.empty() && (entry.key.find("version") != std::string::npos || entry.key == "tag")) {
        number_version(*entry.value.node);
      }
    }
  }
}

void DocumentLint::number_version(const Node& node) {
  const bool number = node.kind == Kind::floating || node.kind == Kind::integer;
  if (!number || !node.plain || (node.kind == Kind::integer && node.source == node.text) ||
      !versions_.insert(&node).second) {
    return;
  }
  if (node.source != node.text) {
    warn(node.at, fmt::format("version {} is a number and will read as {}", node.source, node.text),
         fmt::format("write \"{}\"", node.source), "float-version");
  } else {
    warn(node.at, fmt::format("version {} is a number; {}0 would read as {} too", node.source, node.source, node.text),
         fmt::format("write \"{}\"", node.source), "float-version", Severity::note);
  }
}

void DocumentLint::shared_variables() {
  for (const auto& [name, nodes] : document_.anchors()) {
    std::vector<const Node*> hit;
    std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(hit), [](const Node* node) {
      return node->kind == Kind::string || node->kind == Kind::floating || node->kind == Kind::boolean;
    });
    const bool selection = hit.size() > 1 && hit.front()->kind == Kind::boolean;
    const bool same = std::all_of(
        hit.begin(), hit.end(), [&](const Node* node) { return node->source == hit.front()->source && !node->joined; });
    const bool set = environment_.count(name) != 0;
    if (hit.size() < 2 || selection || (same && !set)) {
      continue;
    }
    warn(hit.front()->at,
         set ? fmt::format("the environment variable {} replaces all {} definitions of &{}", name, hit.size(), name)
             : fmt::format("the environment variable {} would replace all {} definitions of &{}", name, hit.size(),
                           name),
         fmt::format(
             "the last one is in line {}; {}", hit.back()->at.line,
             set ? "unset the variable or rename the anchors" : "anchors of different meaning need names of their own"),
         "shared-variable", set ? Severity::warning : Severity::note);
  }
}

void DocumentLint::misplaced_images() {
  for (const auto& entry : document_.root()->entries) {
    if (!is_map(entry)) {
      continue;
    }
    if (looks_like_image(*entry.value.node)) {
      warn(entry.key_at, fmt::format("image {} stands beside `images`, not below it, so it does not exist", entry.key),
           "indent it as the other images", "nested-image", Severity::error);
      continue;
    }
    const bool images = entry.key == "images";
    for (const auto& inner : entry.value.node->entries) {
      misplaced_image(inner, images ? "image " + inner.key : entry.key + "." + inner.key, images);
    }
  }
}

void DocumentLint::misplaced_image(const Entry& entry, const std::string& path, bool is_image) {
  if (!is_map(entry) || entry.value.aliased || !searched_.insert(entry.value.node).second) {
    return;
  }
  for (const auto& inner : entry.value.node->entries) {
    if (!inner.via.empty() || !is_map(inner) || inner.value.aliased) {
      continue;
    }
    if (looks_like_image(*inner.value.node)) {
      warn(inner.key_at, fmt::format("image {} stands inside {}, so it does not exist", inner.key, path),
           fmt::format("indent it as {} (column {})", is_image ? entry.key : "the other images", entry.key_at.column),
           "nested-image", Severity::error);
    }
    misplaced_image(inner, path, is_image);
  }
}

void DocumentLint::keys(const Node& map, std::span<const std::string> known, const std::string& what) {
  for (const auto& entry : map.entries) {
    effect(entry);
    const bool is_known = std::find(known.begin(), known.end(), entry.key) != known.end();
    // A value with an anchor is used by its name, not by its key.
    const bool carrier = !entry.value.node->anchor.empty() || !entry.via.empty();
    if (is_known || carrier || (is_map(entry) && looks_like_image(*entry.value.node))) {
      continue;
    }
    const auto similar = closest(entry.key, known);
    warn(entry.key_at, fmt::format("unknown key `{}` in {}", entry.key, what),
         similar.empty() ? "nothing reads it" : fmt::format("did you mean {}?", similar), "unknown-key");
  }
}

/// Keys of the original that change nothing here: their users expect otherwise.
void DocumentLint::effect(const Entry& entry) {
  if (!entry.via.empty()) {
    return;
  }
  if (const auto missing = without_effect(entry.key); !missing.empty()) {
    warn(entry.key_at, fmt::format("`{}` has no effect here", entry.key), std::string(missing), "no-effect",
         Severity::note);
  }
  const auto missing = other_image(entry.key);
  if (missing.empty() || is_map(entry) || entry.value.node->kind == Kind::sequence) {
    return;
  }
  auto value = document_.text(entry.value);
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
  if (!value.empty() && value != "false" && value != "none" && value != "0") {
    warn(entry.key_at, fmt::format("`{}` is not done", entry.key), std::string(missing), "other-image");
  }
}

void DocumentLint::image(const Entry& entry) {
  const Node& map = *entry.value.node;
  keys(map, image_keys(), "image " + entry.key);
  if (const Entry* context = map.find("context"); context != nullptr && is_map(*context)) {
    context_keys(*context->value.node, 0);
  }
  if (const Entry* build = map.find("build"); build != nullptr) {
    build_flag(*build, map);
  }
}

void DocumentLint::context_keys(const Node& holder, int depth) {
  static const std::vector<std::string> kKeys{"source", "target"};
  constexpr int kDeepest = 3;
  for (const auto& entry : holder.entries) {
    if (!entry.via.empty() || !is_map(entry) || entry.value.aliased || looks_like_image(*entry.value.node)) {
      continue;
    }
    const Node& map = *entry.value.node;
    const bool source = map.find("source") != nullptr;
    const bool target = map.find("target") != nullptr;
    if (source || target) {
      keys(map, kKeys, "context entry " + entry.key);
      if (source != target && incomplete_.insert(&map).second) {
        warn(entry.key_at,
             fmt::format("context entry {} has no `{}`, so it is left out", entry.key, source ? "target" : "source"),
             "give it both, or remove it", "incomplete-context");
      }
    } else if (depth < kDeepest) {
      context_keys(map, depth + 1);
    }
  }
}

void DocumentLint::build_flag(const Entry& build, const Node& image) {
  const Node& value = *build.value.node;
  if (!value.anchor.empty()) {
    flag_name(build, image);
    return;
  }
  const bool reads_as_true = value.kind == Kind::string && value.text == "true";
  if (value.kind == Kind::boolean || value.kind == Kind::bad || reads_as_true) {
    return;
  }
  warn(build.value.at, "this `build` flag never builds the image: only true, \"true\" or a selected &NAME does",
       "write true, or &FRAMEWORK_DEVICE_TYPE_PYTHON false", "dead-build-flag");
}

void DocumentLint::flag_name(const Entry& build, const Node& image) {
  const Node& value = *build.value.node;
  const auto text = [&](std::string_view key) {
    const Entry* entry = image.find(key);
    return entry != nullptr && entry->value.node->kind == Kind::string ? entry->value.node->text : std::string();
  };
  const auto device = text("device_type");
  const auto type = text("image_type");
  const auto python = text("python_version");
  const auto knows = [](std::span<const std::string> known, const std::string& word) {
    return std::find(known.begin(), known.end(), word) != known.end();
  };
  const bool complete =
      knows(known_device_types(), device) && knows(known_image_types(), type) && knows(known_py_versions(), python);
  const auto own = complete ? selection_variable(framework_, device, type, python) : std::string();
  if (complete && (value.anchor == own || value.anchor == selection_variable(framework_.substr(0, framework_.find('_')),
                                                                             device, type, python))) {
    return;
  }
  const auto flags = flags_of(framework_);
  if (std::find(flags.begin(), flags.end(), value.anchor) == flags.end()) {
    // The image's own combination is meant, whatever else is spelt alike.
    const auto similar = complete ? own : closest(value.anchor, flags);
    warn(value.anchor_at, fmt::format("no selection can switch &{} on", value.anchor),
         similar.empty() ? fmt::format("a name such as {}", flags.front()) : fmt::format("did you mean &{}?", similar),
         "dead-build-flag");
    return;
  }
  if (complete) {
    warn(value.anchor_at,
         fmt::format("&{} selects another combination than this image's ({}, {}, {})", value.anchor, device, type,
                     python),
         fmt::format("did you mean &{}?", own), "flag-mismatch");
  }
}

}  // namespace dlc::buildspec
