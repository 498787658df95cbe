#pragma once
// Results go to standard output; everything else goes to standard error.
#include <string_view>

namespace dlc::cli {

/// Flushed; throws Error where it cannot be written: a full disk, a reader that has gone.
void print_out(std::string_view text);

}  // namespace dlc::cli
