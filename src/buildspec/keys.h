#pragma once
// The keys that a buildspec may have, with what is expected of each.
#include <span>
#include <string>

namespace dlc::buildspec {

/// Keys with a meaning at the top level, and names that the files use only to hold anchors.
[[nodiscard]] std::span<const std::string> top_level_keys();
/// The same of an image.
[[nodiscard]] std::span<const std::string> image_keys();
/// One line about a key's value: "the tag, without date: text"; empty for a key without a meaning.
[[nodiscard]] std::string expected_of(const std::string& key);

}  // namespace dlc::buildspec
