#pragma once
// Reads the keys of one map (the file's top level, an image, a context entry) as typed values; what is missing or of
// the wrong kind becomes a finding. Internal to this folder.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "buildspec/document.h"

namespace dlc::buildspec {

class Fields {
 public:
  /// `what` names the map in messages: "image A", "the file". `where` is where a missing key is reported.
  Fields(const Document& document, const Node& map, Position where, std::string what, Diagnostics& diagnostics);

  [[nodiscard]] const Entry* find(std::string_view key) const { return map_.find(key); }
  /// A key that is there and not null.
  [[nodiscard]] const Entry* given(std::string_view key) const;
  /// The value's text, or an empty one after reporting.
  [[nodiscard]] std::string required(std::string_view key) const;
  [[nodiscard]] std::optional<std::string> optional(std::string_view key) const;
  /// A whole number of at least `least`, written as a number or as text.
  [[nodiscard]] std::optional<std::int64_t> whole_number(std::string_view key, std::int64_t least) const;
  /// A map below this key; null where it is missing or null, and after reporting.
  [[nodiscard]] const Node* map(std::string_view key) const;

  /// The text of a scalar; nullopt after reporting that it is none.
  [[nodiscard]] std::optional<std::string> text(const Use& use, std::string_view key) const;
  void error(const Position& at, std::string message, std::string hint = {}) const;
  /// "image A has no `tag`", with a hint to a mistyped key.
  void missing(std::string_view key) const;

  [[nodiscard]] const Document& document() const noexcept { return document_; }
  [[nodiscard]] const Node& node() const noexcept { return map_; }

 private:
  const Document& document_;
  const Node& map_;
  Position where_;
  std::string what_;
  Diagnostics& diagnostics_;
};

}  // namespace dlc::buildspec
