#pragma once
// A RUN in shell form as the shell's words with their places in the file: enough of its grammar to know what is a word
// of a command and what is not. Nothing is expanded; a command inside a word (`$(...)`) is not looked into.
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/syntax.h"

namespace dlc::dockerfile {

struct ShellWord {
  enum class Kind {
    word,
    redirection,  ///< with its target: "2> file"
    separator,    ///< ends a command: "&&", ";", ")"
    comment,      ///< from # to the end of the RUN: its lines are one line for the shell
  };
  Kind kind = Kind::word;
  std::string text;                  ///< as written, with continued lines joined
  std::size_t begin = 0;             ///< byte in the file
  std::size_t end = 0;               ///< byte behind it
  std::size_t line = 0;              ///< byte at which the line of `begin` starts
  const char* unreadable = nullptr;  ///< why the word's own text says too little: a substitution, an open quote
};

/// The words of the instruction on these lines of `text`, without what heredocs hold.
[[nodiscard]] std::vector<ShellWord> shell_words(std::string_view text, LineRange lines, char escape);

}  // namespace dlc::dockerfile
