#pragma once
// One buildspec file as a tree that still knows where everything came from: places, anchors, aliases, merges, the parts
// of each !join, duplicate keys. Immutable after `parse`, so it may be read from several threads.
// Rules: docs/formats/buildspec.md; YAML 1.2 (yaml.org/spec/1.2.2) through libyaml's events.
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "buildspec/plan.h"
#include "buildspec/scalar.h"

namespace dlc::buildspec {

struct Position {
  int line = 0;    ///< from 1
  int column = 0;  ///< from 1, in characters
  int width = 1;   ///< characters to underline
};

struct Node;

/// A place where a value stands: the node itself, or an alias of it.
struct Use {
  const Node* node = nullptr;
  Position at;               ///< of the value, or of `*NAME`
  bool aliased = false;      ///< then the alias's name is node->anchor
  bool replaceable = false;  ///< a map value that the environment may replace (no list lies above it)
};

/// One key of a map, its own or merged.
struct Entry {
  std::string key;
  Position key_at;
  Use value;
  std::vector<Use> via;  ///< the merged maps it came through, outermost first; empty: the map's own
};

struct Node {
  Kind kind = Kind::null;
  Position at;         ///< of the value, after anchor and tag
  std::string anchor;  ///< empty: none
  Position anchor_at;  ///< of `&NAME`; where there is none, of the value
  std::string tag;     ///< unknown tag, kept as written; empty: none
  bool plain = false;  ///< an unquoted scalar
  bool joined = false;
  std::string source;             ///< a scalar as written, unquoted
  std::string text;               ///< of a scalar or a !join: its value's text before any replacement of its own
  double number = 0;              ///< of a boolean, integer or float
  std::vector<Use> items;         ///< of a list; the parts of a !join
  std::vector<Entry> entries;     ///< of a map: its own in order, then the merged ones
  bool merge_failed = false;      ///< keys may be missing because a `<<` could not be followed
  std::vector<Entry> duplicates;  ///< own keys that stood there before (their values do not count), a second `<<` too

  [[nodiscard]] const Entry* find(std::string_view key) const;
};

/// Limits against hostile input; exceeding one is an error in the file.
inline constexpr std::size_t kMaxFileSize = 1 << 20;
inline constexpr int kMaxDepth = 64;
inline constexpr std::size_t kMaxNodes = 200'000;
inline constexpr std::size_t kMaxMergedEntries = 500'000;
inline constexpr std::size_t kMaxJoinedText = 4 << 20;  ///< of all !join results together, bytes

class Document {
 public:
  /// `name` is what messages call the file. The environment's values are taken for anchors of the same name.
  [[nodiscard]] static std::shared_ptr<const Document> parse(std::string name, std::string text,
                                                             const Environment& environment, Diagnostics& diagnostics);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& source() const noexcept { return text_; }
  /// The top-level value; null where the file could not be read to its end.
  [[nodiscard]] const Node* root() const noexcept { return root_; }
  [[nodiscard]] std::string_view line(int number) const;

  /// All nodes with this anchor, in document order.
  [[nodiscard]] const std::vector<const Node*>& definitions(std::string_view anchor) const;
  [[nodiscard]] const std::map<std::string, std::vector<const Node*>, std::less<>>& anchors() const noexcept {
    return anchors_;
  }
  [[nodiscard]] const std::deque<Node>& nodes() const noexcept { return nodes_; }

  /// The environment's value that replaces a map's value; null where there is none.
  [[nodiscard]] const std::string* replacement(const Use& use) const;
  /// The same for a part of a !join.
  [[nodiscard]] const std::string* part_replacement(const Node& node) const;
  [[nodiscard]] const std::string& text(const Use& use) const;
  [[nodiscard]] Kind kind(const Use& use) const;

  [[nodiscard]] SourceLocation location(const Position& at) const;
  [[nodiscard]] Diagnostic finding(Severity severity, const Position& at, std::string message, std::string hint = {},
                                   std::string rule = {}) const;

 private:
  friend class Composer;
  Document(std::string name, std::string text);

  std::string name_;
  std::string text_;
  std::vector<std::size_t> line_starts_;
  std::deque<Node> nodes_;
  const Node* root_ = nullptr;
  std::map<std::string, std::vector<const Node*>, std::less<>> anchors_;
  std::map<std::string, std::string, std::less<>> replacements_;  ///< anchor -> value of that variable
};

}  // namespace dlc::buildspec
