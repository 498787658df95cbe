#pragma once
// Builds a Document's tree from libyaml's events: the only code that knows libyaml. Internal to this folder.
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "buildspec/document.h"

namespace dlc::buildspec {

class EventReader;
struct Event;

class Composer {
 public:
  Composer(Document& document, const Environment& environment, Diagnostics& diagnostics);
  ~Composer();
  Composer(const Composer&) = delete;
  Composer& operator=(const Composer&) = delete;

  /// Sets the document's root, or leaves it null after an error that ends the reading.
  void compose();

 private:
  struct UnknownAlias {
    std::string name;
    Position at;
  };

  using Keys = std::unordered_set<std::string>;

  Use compose_value(Event& event, int depth);
  Use alias(const Event& event);
  Use scalar(const Event& event);
  Use sequence(const Event& event, int depth);
  Use mapping(const Event& event, int depth);
  void add_key(Node& map, Keys& keys, Event& key, int depth, Use& merged);
  void add_merged(Node& map, Keys& keys, const Use& merged);
  void merge_one(Node& map, Keys& keys, const Use& use);
  void join(Node& node);

  Node& new_node(const Event& event);
  /// Makes an anchor's name mean this node from here on.
  void define(const Node& node);
  std::size_t byte_of(int line_number, int column, std::string_view line);
  Position value_position(const Event& event);
  void mark_replaceable(const Node& root);
  void report_unknown_aliases();
  /// Records an error; `ends` stops the reading.
  void fail(const Position& at, std::string message, std::string hint = {}, bool ends = false);

  Document& document_;
  const Environment& environment_;
  Diagnostics& diagnostics_;
  std::unique_ptr<EventReader> events_;
  std::vector<Diagnostic> found_;
  std::vector<UnknownAlias> unknown_;
  std::map<std::string, const Node*, std::less<>> current_;  ///< anchor -> latest definition; null while it is open
  std::size_t merged_entries_ = 0;
  std::size_t joined_text_ = 0;
  struct Cursor {
    int line = 0;
    int column = 1;
    std::size_t byte = 0;
  };
  Cursor cursor_;  ///< the place `byte_of` was asked for last
  bool ended_ = false;
};

}  // namespace dlc::buildspec
