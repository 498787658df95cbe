#pragma once
// Python's version numbers and specifiers (the packaging specifications once called PEP 440). Pure; thread-safe.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dlc::contents {

struct PythonVersion {
  std::uint64_t epoch = 0;
  std::vector<std::uint64_t> release;                ///< as written
  std::optional<std::pair<int, std::uint64_t>> pre;  ///< 0 a, 1 b, 2 rc
  std::optional<std::uint64_t> post, dev;
  std::vector<std::string> local;

  /// nullopt where the text is no version ("2004d" of old packages, say).
  [[nodiscard]] static std::optional<PythonVersion> parse(std::string_view text);
  /// In its normal form: "1.0.post1" of "v1.0-1".
  [[nodiscard]] std::string str() const;
  [[nodiscard]] std::strong_ordering compare(const PythonVersion& other, bool with_local = true) const;
};

/// Whether `version` is one of those that `specifiers` (">=1.2,!=1.3.*") allow; prereleases count as any other, since
/// the question is about what is installed. Empty specifiers allow all; a malformed one allows nothing, but an
/// installed version that is none is only allowed by ===, and by empty specifiers.
[[nodiscard]] bool allows(std::string_view specifiers, std::string_view version);

}  // namespace dlc::contents
