#pragma once
// The keys that a buildspec may have, with what is expected of each.
#include <span>
#include <string>
#include <string_view>

namespace dlc::buildspec {

/// Keys with a meaning at the top level, and names that the files use only to hold anchors.
[[nodiscard]] std::span<const std::string> top_level_keys();
/// The same of an image.
[[nodiscard]] std::span<const std::string> image_keys();
/// One line about a key's value: "the tag, without date: text"; empty for a key without a meaning.
[[nodiscard]] std::string expected_of(const std::string& key);

/// What is not done for a key of the original that changes nothing here; empty for every other key.
[[nodiscard]] std::string_view without_effect(std::string_view key);
/// The same for a key that asks for another image than the one that is built ("True", not "False"); such a value is
/// worth a warning in every plan.
[[nodiscard]] std::string_view other_image(std::string_view key);

}  // namespace dlc::buildspec
