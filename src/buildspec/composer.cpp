#include "buildspec/composer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/suggest.h"
#include "buildspec/events.h"
#include "buildspec/order.h"

namespace dlc::buildspec {

namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

/// Of a character in UTF-8 all bytes but the first.
bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

bool is_collection(const Node& node) {
  return node.kind == Kind::sequence || node.kind == Kind::mapping;
}

/// A scalar with one of YAML's own tags, such as !!str 1.10.
Scalar with_core_tag(std::string_view tag, const std::string& value) {
  if (tag == "str") {
    return {Kind::string, value, 0};
  }
  Scalar scalar = typed(value);
  if (tag == "float" && scalar.kind == Kind::integer) {
    return {Kind::floating, python_float(scalar.number), scalar.number};
  }
  const bool fits = (tag == "int" && scalar.kind == Kind::integer) ||
                    (tag == "float" && scalar.kind == Kind::floating) ||
                    (tag == "bool" && scalar.kind == Kind::boolean) || (tag == "null" && scalar.kind == Kind::null) ||
                    (tag == "timestamp" && scalar.kind == Kind::date);
  return fits ? scalar : Scalar{Kind::bad, value, 0};
}

}  // namespace

Composer::Composer(Document& document, const Environment& environment, Diagnostics& diagnostics)
    : document_(document),
      environment_(environment),
      diagnostics_(diagnostics),
      events_(std::make_unique<EventReader>(document.text_)) {}

Composer::~Composer() = default;

void Composer::fail(const Position& at, std::string message, std::string hint, bool ends) {
  constexpr std::size_t kMost = 200;
  if (!ended_ && (found_.size() < kMost || ends)) {
    found_.push_back(document_.finding(Severity::error, at, std::move(message), std::move(hint)));
  }
  ended_ = ended_ || ends;
}

void Composer::compose() {
  Use root;
  auto event = events_->next();
  if (event.kind == EventKind::document_start) {
    event = events_->next();
    root = compose_value(event, 0);
    event = events_->next();  // the document's end
    event = ended_ ? event : events_->next();
    if (!ended_ && event.kind == EventKind::document_start) {
      fail(event.start, "a second document in one file", "a buildspec is one document; remove the --- line");
    }
  } else if (event.kind == EventKind::stream_end) {
    fail({1, 1, 1}, "the file holds no data",
         "a buildspec is a map with account_id, region, framework, version, images", true);
  }
  if (event.kind == EventKind::failed && !ended_) {
    auto error = events_->error();
    fail(error.at, std::move(error.message), std::move(error.hint), true);
  }
  report_unknown_aliases();
  if (!ended_ && root.node != nullptr) {
    mark_replaceable(*root.node);
    document_.root_ = root.node;
  }
  for (auto& diagnostic : in_order(found_)) {
    diagnostics_.add(std::move(diagnostic));
  }
}

Node& Composer::new_node(const Event& event) {
  auto& node = document_.nodes_.emplace_back();
  node.anchor = event.anchor;
  node.at = value_position(event);
  const bool distinct =
      !event.anchor.empty() && (node.at.line != event.start.line || node.at.column != event.start.column);
  node.anchor_at = distinct ? event.start : node.at;
  node.anchor_at.width = distinct ? static_cast<int>(event.anchor.size()) + 1 : node.at.width;
  if (document_.nodes_.size() > kMaxNodes) {
    fail(node.at, fmt::format("more than {} values in one file", kMaxNodes), {}, true);
  }
  return node;
}

void Composer::define(const Node& node) {
  if (node.anchor.empty()) {
    return;
  }
  current_[node.anchor] = &node;
  auto& definitions = document_.anchors_[node.anchor];
  definitions.push_back(&node);
  if (definitions.size() == 1) {
    if (const auto set = environment_.find(node.anchor); set != environment_.end()) {
      document_.replacements_.emplace(node.anchor, set->second);
    }
  }
}

/// The byte of a character's column in its line. Events come in order, so counting goes on from the last place asked
/// for: a file of one long line stays linear.
std::size_t Composer::byte_of(int line_number, int column, std::string_view line) {
  if (cursor_.line != line_number || cursor_.column > column) {
    cursor_ = {line_number, 1, 0};
  }
  while (cursor_.column < column && cursor_.byte < line.size()) {
    ++cursor_.byte;
    while (cursor_.byte < line.size() && is_continuation(line[cursor_.byte])) {
      ++cursor_.byte;
    }
    ++cursor_.column;
  }
  return cursor_.byte;
}

/// libyaml's event begins at the anchor or tag; messages shall point to the value. Of a tag and a value the tag counts:
/// a reader sees "!join [...]" as one.
Position Composer::value_position(const Event& event) {
  Position at = event.start;
  const std::string_view line = document_.line(at.line);
  const auto byte = byte_of(at.line, at.column, line);
  if (byte < line.size() && line[byte] == '&') {
    const auto end = line.find_first_of(" \t", byte);
    const auto value = end == std::string_view::npos ? end : line.find_first_not_of(" \t", end);
    if (value != std::string_view::npos && line[value] != '#') {  // else the value stands on another line
      const auto between = line.substr(byte, value - byte);
      at.column +=
          static_cast<int>(std::count_if(between.begin(), between.end(), [](char c) { return !is_continuation(c); }));
    }
  }
  if (event.kind == EventKind::scalar || event.kind == EventKind::alias) {
    const int end = event.stop.line == at.line ? event.stop.column : static_cast<int>(line.size()) + 1;
    at.width = std::max(1, end - at.column);
  }
  return at;
}

Use Composer::compose_value(Event& event, int depth) {
  if (depth > kMaxDepth) {
    fail(event.start, fmt::format("nested more than {} levels deep", kMaxDepth), {}, true);
  }
  if (!ended_) {
    switch (event.kind) {
      case EventKind::alias:
        return alias(event);
      case EventKind::scalar:
        return scalar(event);
      case EventKind::sequence:
        return sequence(event, depth);
      case EventKind::mapping:
        return mapping(event, depth);
      case EventKind::failed: {
        auto error = events_->error();
        fail(error.at, std::move(error.message), std::move(error.hint), true);
        break;
      }
      default:
        fail(event.start, "a value is missing", "expected a value", true);
        break;
    }
  }
  auto& node = document_.nodes_.emplace_back();
  node.kind = Kind::bad;
  node.at = event.start;
  return {&node, event.start, false, false};
}

Use Composer::alias(const Event& event) {
  const auto at = value_position(event);
  const auto found = current_.find(event.anchor);
  if (found != current_.end() && found->second != nullptr) {
    return {found->second, at, true, false};
  }
  if (found != current_.end()) {
    fail(at, fmt::format("alias *{} stands inside the value it names", event.anchor), "a value can't hold itself");
  } else {
    unknown_.push_back({event.anchor, at});
  }
  auto& node = document_.nodes_.emplace_back();
  node.kind = Kind::bad;
  node.at = at;
  return {&node, at, false, false};
}

Use Composer::scalar(const Event& event) {
  auto& node = new_node(event);
  Scalar value{Kind::string, event.value, 0};
  if (event.plain) {
    value = typed(event.value);
  } else if (event.tag.starts_with(kCoreTag)) {
    value = with_core_tag(std::string_view(event.tag).substr(kCoreTag.size()), event.value);
  } else if (event.tag == "!join") {
    fail(node.at, "!join needs a list", "write !join [a, b]");
    value.kind = Kind::bad;
  } else if (!event.tag.empty() && event.tag != "!") {
    node.tag = event.tag;
  }
  if (value.kind == Kind::bad && event.tag != "!join") {
    fail(node.at,
         event.tag.empty() ? "no such date"
                           : fmt::format("the value does not fit its tag !!{}", event.tag.substr(kCoreTag.size())),
         "quote it if it is text");
  }
  node.kind = value.kind;
  node.plain = event.plain;
  node.source = event.value;
  node.number = value.number;
  node.text = std::move(value.text);
  if (node.kind == Kind::boolean && !node.anchor.empty()) {
    node.text = node.number != 0 ? "1" : "0";  // the original's loader made a number of an anchored boolean
  }
  define(node);
  return {&node, node.at, false, false};
}

Use Composer::sequence(const Event& event, int depth) {
  auto& node = new_node(event);
  node.kind = Kind::sequence;
  if (!event.anchor.empty()) {
    current_[event.anchor] = nullptr;
  }
  for (auto item = events_->next(); item.kind != EventKind::end && !ended_; item = events_->next()) {
    node.items.push_back(compose_value(item, depth + 1));
  }
  if (event.tag == "!join") {
    join(node);
  } else if (!event.tag.empty() && !event.tag.starts_with(kCoreTag)) {
    node.tag = event.tag;
  }
  define(node);
  return {&node, node.at, false, false};
}

void Composer::join(Node& node) {
  node.kind = Kind::string;
  node.joined = true;
  for (const auto& part : node.items) {
    const Node& value = *part.node;
    if (is_collection(value)) {
      fail(part.at, fmt::format("!join can't take {}", name_of(value.kind)), "each item is a text or a number");
    } else if (!value.tag.empty()) {
      fail(part.at, fmt::format("unknown tag {}", value.tag), "the one tag is !join");
    }
    if (value.kind == Kind::bad || is_collection(value)) {
      node.kind = Kind::bad;  // reported; what is made of this node would only repeat it
    }
    const std::string* replaced = document_.part_replacement(value);
    const std::string& text = replaced != nullptr ? *replaced : value.text;
    joined_text_ += text.size();
    if (joined_text_ > kMaxJoinedText) {
      fail(node.at, fmt::format("the !join results of this file are longer than {} MiB together", kMaxJoinedText >> 20),
           {}, true);
      return;
    }
    node.text += text;
  }
}

Use Composer::mapping(const Event& event, int depth) {
  auto& node = new_node(event);
  node.kind = Kind::mapping;
  if (event.tag == "!join") {
    fail(node.at, "!join needs a list", "write !join [a, b]");
  } else if (!event.tag.empty() && !event.tag.starts_with(kCoreTag)) {
    node.tag = event.tag;
  }
  if (!event.anchor.empty()) {
    current_[event.anchor] = nullptr;
  }
  Keys keys;
  Use merged;
  for (auto key = events_->next(); key.kind != EventKind::end && !ended_; key = events_->next()) {
    add_key(node, keys, key, depth, merged);
  }
  if (merged.node != nullptr && !ended_) {
    add_merged(node, keys, merged);
  }
  if (event.tag == "!join") {
    node.kind = Kind::bad;
  }
  define(node);
  return {&node, node.at, false, false};
}

void Composer::add_key(Node& map, Keys& keys, Event& key, int depth, Use& merged) {
  const bool is_merge = key.kind == EventKind::scalar && key.plain && key.value == "<<";
  const Use name = compose_value(key, depth + 1);
  if (ended_) {
    return;
  }
  if (is_collection(*name.node)) {
    fail(name.at, fmt::format("a key can't be {}", name_of(name.node->kind)), "expected a word");
  }
  auto event = events_->next();
  const Use value = compose_value(event, depth + 1);
  if (ended_) {
    return;
  }
  Entry entry{name.node->plain ? name.node->source : name.node->text, name.at, value, {}};
  if (is_merge && merged.node == nullptr) {
    merged = value;
  } else if (is_merge || !keys.insert(entry.key).second) {
    map.duplicates.push_back(std::move(entry));
  } else {
    map.entries.push_back(std::move(entry));
  }
}

void Composer::add_merged(Node& map, Keys& keys, const Use& merged) {
  if (merged.node->kind != Kind::sequence) {
    merge_one(map, keys, merged);
    return;
  }
  for (const auto& item : merged.node->items) {
    merge_one(map, keys, item);
  }
}

void Composer::merge_one(Node& map, Keys& keys, const Use& use) {
  map.merge_failed = map.merge_failed || use.node->kind != Kind::mapping || use.node->merge_failed;
  if (use.node->kind != Kind::mapping) {
    if (use.node->kind != Kind::bad) {
      fail(use.at, fmt::format("<< merges a map, but this is {}", name_of(use.node->kind)), "expected *NAME of a map");
    }
    return;
  }
  for (const auto& entry : use.node->entries) {
    if (ended_ || !keys.insert(entry.key).second) {
      continue;
    }
    merged_entries_ += 1 + entry.via.size();
    if (merged_entries_ > kMaxMergedEntries) {
      fail(use.at, "the merges of this file are too large", {}, true);
      return;
    }
    Entry copy = entry;
    copy.via.insert(copy.via.begin(), use);
    map.entries.push_back(std::move(copy));
  }
}

/// Values of maps that lie in no list may be replaced by the environment.
void Composer::mark_replaceable(const Node& root) {
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open{&root};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (node->kind != Kind::mapping || !seen.insert(node).second) {
      continue;
    }
    for (auto& entry : const_cast<Node*>(node)->entries) {  // ours until `compose` returns
      entry.value.replaceable = true;
      open.push_back(entry.value.node);
    }
  }
}

void Composer::report_unknown_aliases() {
  std::vector<std::string> names;
  names.reserve(document_.anchors_.size());
  for (const auto& [name, definitions] : document_.anchors_) {
    names.push_back(name);
  }
  constexpr std::size_t kMost = 50;
  unknown_.resize(std::min(unknown_.size(), kMost));
  for (const auto& [name, at] : unknown_) {
    std::string hint;
    if (const auto& below = document_.definitions(name); !below.empty()) {
      hint = fmt::format("&{} stands below, in line {}; move it up", name, below.front()->at.line);
    } else if (const auto similar = closest(name, names); !similar.empty()) {
      hint = fmt::format("did you mean *{} (line {})?", similar, document_.definitions(similar).front()->at.line);
    } else {
      hint = fmt::format("define it above as &{}", name);
    }
    found_.push_back(document_.finding(Severity::error, at,
                                       fmt::format("alias *{} has no anchor above this line", name), std::move(hint)));
  }
}

}  // namespace dlc::buildspec
