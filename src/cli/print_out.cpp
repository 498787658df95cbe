#include "cli/print_out.h"

#include <cstdio>

#include "base/error.h"

namespace dlc::cli {

void print_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw system_error("standard output");
  }
}

}  // namespace dlc::cli
