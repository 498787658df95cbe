#pragma once
// Parts of syntax.cpp that have files of their own.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/syntax.h"

namespace dlc::dockerfile {

/// Splits one instruction (continuations joined) into keyword, flags and arguments. Throws Error(invalid) without a
/// place.
[[nodiscard]] Node make_node(std::string_view line, char escape);

/// "<<NAME", "3<<-'NAME'", "<< NAME": one heredoc and nothing else.
[[nodiscard]] std::optional<Heredoc> parse_heredoc(std::string_view word);

/// The heredocs that an instruction's line announces, contents still empty.
[[nodiscard]] std::vector<Heredoc> find_heredocs(std::string_view line);

}  // namespace dlc::dockerfile
