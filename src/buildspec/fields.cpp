#include "buildspec/fields.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "base/suggest.h"
#include "buildspec/keys.h"

namespace dlc::buildspec {

Fields::Fields(const Document& document, const Node& map, Position where, std::string what, Diagnostics& diagnostics)
    : document_(document), map_(map), where_(where), what_(std::move(what)), diagnostics_(diagnostics) {}

void Fields::error(const Position& at, std::string message, std::string hint) const {
  diagnostics_.add(document_.finding(Severity::error, at, std::move(message), std::move(hint)));
}

void Fields::missing(std::string_view key) const {
  if (map_.merge_failed) {
    return;  // the key may be in the map that could not be merged, which has been reported
  }
  std::vector<std::string> names;
  for (const auto& entry : map_.entries) {
    names.push_back(entry.key);
  }
  const std::string similar = closest(key, names);
  std::string hint = expected_of(std::string(key));
  if (!similar.empty() && expected_of(similar).empty()) {
    hint = fmt::format("did you mean the key {} (line {})?", similar, map_.find(similar)->key_at.line);
  }
  error(where_, fmt::format("{} has no `{}`", what_, key), std::move(hint));
}

const Entry* Fields::given(std::string_view key) const {
  const Entry* entry = map_.find(key);
  return entry != nullptr && document_.kind(entry->value) != Kind::null ? entry : nullptr;
}

std::optional<std::string> Fields::text(const Use& use, std::string_view key) const {
  const Kind kind = document_.kind(use);
  if (kind == Kind::bad) {
    return std::nullopt;
  }
  if (kind == Kind::sequence || kind == Kind::mapping || kind == Kind::null) {
    error(use.at, fmt::format("`{}` must be text, but this is {}", key, name_of(kind)), expected_of(std::string(key)));
    return std::nullopt;
  }
  if (!use.node->tag.empty()) {
    error(use.at, fmt::format("unknown tag {}", use.node->tag), "the one tag is !join");
    return std::nullopt;
  }
  return document_.text(use);
}

std::string Fields::required(std::string_view key) const {
  const Entry* entry = map_.find(key);
  if (entry == nullptr) {
    missing(key);
    return {};
  }
  auto value = text(entry->value, key);
  if (value && value->empty()) {
    error(entry->value.at, fmt::format("`{}` is empty", key), expected_of(std::string(key)));
  }
  return value.value_or(std::string());
}

std::optional<std::string> Fields::optional(std::string_view key) const {
  const Entry* entry = given(key);
  return entry != nullptr ? text(entry->value, key) : std::nullopt;
}

std::optional<std::int64_t> Fields::whole_number(std::string_view key, std::int64_t least) const {
  const Entry* entry = map_.find(key);
  const auto value = text(entry->value, key);
  if (!value) {
    return std::nullopt;
  }
  std::string_view digits(*value);
  if (document_.kind(entry->value) == Kind::floating) {
    const auto point = digits.find('.');
    digits = digits.find_first_not_of('0', point + 1) == std::string_view::npos ? digits.substr(0, point) : digits;
  }
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc() || end != digits.data() + digits.size()) {
    error(entry->value.at, fmt::format("`{}` must be a whole number, not \"{}\"", key, *value),
          expected_of(std::string(key)));
    return std::nullopt;
  }
  if (number < least) {
    error(entry->value.at, fmt::format("`{}` must be at least {}", key, least), expected_of(std::string(key)));
    return std::nullopt;
  }
  return number;
}

const Node* Fields::map(std::string_view key) const {
  const Entry* entry = given(key);
  if (entry == nullptr || entry->value.node->kind == Kind::bad) {
    return nullptr;
  }
  if (entry->value.node->kind != Kind::mapping) {
    error(entry->value.at, fmt::format("`{}` must be a map, but this is {}", key, name_of(entry->value.node->kind)),
          "expected `name: value` lines below it");
    return nullptr;
  }
  return entry->value.node;
}

}  // namespace dlc::buildspec
