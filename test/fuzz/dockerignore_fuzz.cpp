// Any bytes as an ignore file, its last line also as a path. What the lines leave out must agree with what a walk is
// told: below a directory that need not be entered, nothing comes back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "dockerfile/ignore.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = text.rfind('\n');
  const std::string path(cut == std::string_view::npos ? std::string_view("a/b/c") : text.substr(cut + 1));
  try {
    const dlc::dockerfile::IgnoreMatcher matcher(
        dlc::dockerfile::parse_ignore_file(cut == std::string_view::npos ? text : text.substr(0, cut)));
    const bool ignored = matcher.ignored(path);
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string directory = path.substr(0, slash);
      if (matcher.ignored(directory) && !matcher.may_contain_included(directory) && !ignored) {
        std::abort();
      }
    }
  } catch (const dlc::Error&) {
    return 0;  // a malformed pattern
  }
  static_cast<void>(dlc::dockerfile::glob_match(text.substr(0, cut), path));
  return 0;
}
