#include "oci/json_guard.h"

#include <fmt/format.h>

#include "base/error.h"

namespace dlc::oci {

void guard_json(std::string_view text, std::string_view what, std::size_t limit) {
  if (text.size() > limit) {
    throw Error(ErrorKind::invalid,
                fmt::format("{} is {} bytes long, more than {} are not accepted", what, text.size(), limit));
  }
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        throw Error(ErrorKind::invalid, fmt::format("{} is nested deeper than {} levels", what, kMaxDepth));
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

}  // namespace dlc::oci
