#pragma once
// What must hold of a JSON text from elsewhere before it is given to a parser: bounded size and nesting. Linear time,
// no allocation (a 1 GB index.json or 100,000 opening brackets must cost nothing: GHSA-f36w-mj3v-6jqv).
#include <cstddef>
#include <string_view>

namespace dlc::oci {

inline constexpr std::size_t kMaxDocument = 8UL << 20;  ///< bytes of a manifest, index or config
inline constexpr int kMaxDepth = 64;

/// Throws Error(invalid) where `text` is longer than `limit` bytes or nested deeper than kMaxDepth; `what` names it in
/// the message ("image manifest").
void guard_json(std::string_view text, std::string_view what, std::size_t limit = kMaxDocument);

}  // namespace dlc::oci
