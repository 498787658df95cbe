#pragma once
// Why a step is not what it was: the ingredients of its key by name, kept in the store with the step's result, and
// compared with those of now. Ingredients decide nothing; keys do (build/keys.h).
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "build/graph.h"

namespace dlc::build {

/// Ingredients by name: ("instruction", its text), ("variable PATH", its value), ("file app.py", "0644 sha256 in hex"),
/// ("content of src", hex), ("base debian", hex), ("the step before", hex), ... in the order in which they are
/// compared.
using KeyParts = std::vector<std::pair<std::string, std::string>>;

/// The part that says only that something below changed.
inline constexpr std::string_view kStepBefore = "the step before";

/// What an operation itself brings, its inputs apart. Texts over 16 KiB are given by digest.
[[nodiscard]] KeyParts operation_parts(const Op& op, const std::string& canonical);

/// One difference between two lists of parts.
struct Change {
  std::string part;    ///< "file requirements.txt"
  std::string before;  ///< as recorded; empty: it is new
  std::string after;   ///< empty: it is gone
};

/// All differences, the most telling first; empty where `before` is not readable or nothing differs.
[[nodiscard]] std::vector<Change> compare_parts(const std::string& before, const KeyParts& now);

/// "content of app.py changed (sha256 91c0… → 07aa…)".
[[nodiscard]] std::string describe(const Change& change);

/// The first difference in words; "" where there is none.
[[nodiscard]] std::string explain_difference(const std::string& before, const KeyParts& now);

[[nodiscard]] std::string to_json(const KeyParts& parts);

/// The sha256 in hex of a "file ..." part; nullopt for other parts and for what is no regular file.
[[nodiscard]] std::optional<std::string> file_digest_of(std::string_view part, std::string_view value);

/// The lines that differ: "-old" and "+new", in the order of the file.
[[nodiscard]] std::vector<std::string> changed_lines(std::string_view before, std::string_view after);

/// The names under which a step's newest key is remembered: by its text and by its place in the stage, for the image;
/// by its text for any image. The best first.
[[nodiscard]] std::vector<std::string> memory_names(const std::string& image, const std::string& step);

}  // namespace dlc::build
