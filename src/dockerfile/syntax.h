#pragma once
// The line level of a Dockerfile: parser directives, comments, continuations, heredocs, and each instruction split into
// keyword, flags and arguments. Knows no instruction's meaning beyond how its arguments are split; unknown keywords
// give a node without arguments (dockerfile.h refuses them).
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dlc::dockerfile {

/// Lines counted from 1; `last` is not before `first`.
struct LineRange {
  int first = 0;
  int last = 0;
};

struct Heredoc {
  std::string name;
  std::string content;  ///< lines up to the end word, tabs not yet stripped
  bool expand = true;   ///< the word was not quoted
  bool chomp = false;   ///< written <<-: leading tabs go
  int descriptor = 0;   ///< N of N<<WORD
};

struct Node {
  std::string keyword;             ///< as written
  std::string name;                ///< in lower case
  std::vector<std::string> flags;  ///< "--name=value", quotes and escapes resolved
  std::vector<std::string> args;   ///< ENV and LABEL: key, value, separator ("=" or "") in turn
  bool json = false;               ///< the arguments were a JSON array
  std::string original;            ///< the whole instruction, continuations joined
  std::string rest;                ///< what follows keyword and flags, trimmed
  std::vector<Heredoc> heredocs;
  std::vector<std::string> comments;  ///< the comment lines above it without "#", from an empty one on
  std::vector<Node> trigger;          ///< ONBUILD: the one nested instruction
  LineRange lines;
  bool empty_continuation = false;  ///< a blank line stood inside it
};

/// A comment of the form "# name=value" at the top of the file.
struct Directive {
  std::string name;
  std::string value;
  int line = 0;
};

struct Syntax {
  std::vector<std::string> lines;
  std::vector<Directive> directives;  ///< syntax, escape, check; each at most once
  char escape = '\\';
  std::vector<Node> nodes;  ///< at least one
};

/// Throws Error(invalid) with `name`:line and excerpt.
[[nodiscard]] Syntax read_syntax(std::string_view text, const std::string& name);

/// One line for each instruction, "(copy [\"--from=a\"] \"x\" \"/y\")", in file order; strings quoted as Go's %q does.
[[nodiscard]] std::string to_sexpr(const Syntax& syntax);

/// Splits an instruction's arguments into words at blanks; quotes and escapes stay in the words.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text, char escape);

/// The strings of a JSON array, or nullopt where the text is not an array. Throws Error(invalid) where it is an array
/// with members that are not strings.
[[nodiscard]] std::optional<std::vector<std::string>> parse_json_strings(std::string_view text);

/// Go's %q of a string.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace dlc::dockerfile
