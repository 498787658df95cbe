#pragma once
// Expansion of variables and quotes in the words of an instruction (Dockerfile reference, "Environment replacement"):
// $name, ${name}, ${name:-w} ${name-w} ${name:+w} ${name+w} ${name:?w} ${name?w}, ${name#p} ${name##p} ${name%p}
// ${name%%p} ${name/p/w} ${name//p/w}; 'single' and "double" quotes; the escape character.
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::dockerfile {

/// The value of a variable; nullopt: not set.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;

struct ExpandOptions {
  char escape = '\\';
  bool skip_quotes = false;  ///< quotes are ordinary characters (heredoc bodies)
  bool raw_quotes = false;   ///< quotes quote, and stay in the result
  bool raw_escapes = false;  ///< escapes escape, and stay in the result
  bool skip_unset = false;   ///< $name of an unset variable stays as written
};

struct Expansion {
  std::string text;
  std::vector<std::string> words;  ///< `text` split at unquoted blanks, expanded blanks included
  std::set<std::string> unset;     ///< variables that were asked for and were not set, those with a default too
};

/// Throws Error(invalid) without a place ("syntax error: missing closing quote", "... unsupported modifier",
/// "name: message" of ${name:?message}); callers add the place.
[[nodiscard]] Expansion expand(std::string_view word, const VariableLookup& variables,
                               const ExpandOptions& options = {});

/// `expand(...).text`.
[[nodiscard]] std::string expand_word(std::string_view word, const VariableLookup& variables,
                                      const ExpandOptions& options = {});

}  // namespace dlc::dockerfile
