// Any bytes as a word: expansion ends, with a result or an error; quoting the result in single quotes gives it back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "dockerfile/mount.h"
#include "dockerfile/word.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 2048) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lookup = [](std::string_view name) -> std::optional<std::string> {
    if (name == "e") {
      return "";
    }
    return name.starts_with("u") ? std::nullopt : std::optional("v a*b/" + std::string(name));
  };
  for (const bool raw : {false, true}) {
    try {
      const auto result = dlc::dockerfile::expand(
          text, lookup,
          {.escape = raw ? '`' : '\\', .skip_quotes = false, .raw_quotes = raw, .raw_escapes = raw, .skip_unset = raw});
      if (result.text.find('\'') == std::string::npos &&
          dlc::dockerfile::expand_word("'" + result.text + "'", lookup) != result.text) {
        std::abort();
      }
    } catch (const dlc::Error& error) {
      if (error.kind() != dlc::ErrorKind::invalid) {
        std::abort();
      }
    }
  }
  try {
    static_cast<void>(dlc::dockerfile::parse_mount(text, [](std::string_view value) { return std::string(value); }));
  } catch (const dlc::Error&) {
    return 0;
  }
  return 0;
}
