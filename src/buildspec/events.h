#pragma once
// libyaml's event stream with RAII and plain C++ types. Internal to this folder.
#include <memory>
#include <string>
#include <string_view>

#include "buildspec/document.h"

namespace dlc::buildspec {

enum class EventKind { stream_end, document_start, document_end, alias, scalar, sequence, mapping, end, failed };

struct Event {
  EventKind kind = EventKind::failed;
  std::string anchor;  ///< of an alias: the name it refers to
  std::string tag;
  std::string value;
  bool plain = false;
  Position start;  ///< of anchor or tag where there is one
  Position stop;
};

/// What libyaml says of a file that is not YAML.
struct SyntaxError {
  Position at;
  std::string message;
  std::string hint;
};

class EventReader {
 public:
  /// `text` must outlive the reader.
  explicit EventReader(std::string_view text);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  [[nodiscard]] Event next();
  /// After an event of kind `failed`.
  [[nodiscard]] SyntaxError error() const;

 private:
  struct Parser;
  std::string_view text_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace dlc::buildspec
