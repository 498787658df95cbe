#pragma once
// `dlc debug`: the input languages as this program reads them, for tests and for people who wonder.
#include <span>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

/// parse-dockerfile --sexpr FILE: one line for each instruction, as docs/formats/dockerfile.md describes.
int run_debug_parse_dockerfile(std::span<const std::string> arguments, const GlobalOptions& global);
/// expand-word [--escape C] [--env K=V]... [--words] -- WORD: the word with its variables and quotes resolved.
int run_debug_expand_word(std::span<const std::string> arguments, const GlobalOptions& global);

}  // namespace dlc::cli
