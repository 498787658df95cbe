#pragma once
// Edits of a buildspec's text at the places that its document knows: comments, quotes and layout stay as they are
// everywhere else. The results are texts; nothing is written here.
#include <string>
#include <string_view>

#include "buildspec/document.h"

namespace dlc::buildspec {

/// A value as it may stand in YAML so that its text is `value`: plain where that is possible, else in double quotes
/// ("1.10" would be a number).
[[nodiscard]] std::string yaml_scalar(std::string_view value);

/// The text with one scalar replaced. Throws Error(invalid) at its place where no plain or quoted scalar of one line
/// stands there.
[[nodiscard]] std::string replace_scalar(const Document& document, const Node& scalar, std::string_view value);

/// One entry of a build context.
struct ContextEdit {
  std::string key;
  std::string source;
  std::string target;
};

/// The text with an entry added to a map of context entries: below its last entry that names a file, else first.
/// Throws Error(invalid) at its place where the map is written in braces.
[[nodiscard]] std::string add_context_entry(const Document& document, const Node& map, const ContextEdit& entry);

/// The text with a `context` of this one entry: of the file (above `images`) where `owner` is the document's root, else
/// as the last key of the image `owner`. A `context:` that stands there without a value is completed.
[[nodiscard]] std::string add_context(const Document& document, const Node& owner, const ContextEdit& entry);

}  // namespace dlc::buildspec
