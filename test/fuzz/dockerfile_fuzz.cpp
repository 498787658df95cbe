// Any bytes as a Dockerfile: no crash, no endless work; what is refused has a message, and what is accepted can be
// printed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "dockerfile/dockerfile.h"

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    require(!to_sexpr(dlc::dockerfile::read_syntax(text, "D")).empty());
    dlc::Diagnostics diagnostics;
    static_cast<void>(dlc::dockerfile::parse(text, "D", diagnostics));
    for (const auto& diagnostic : diagnostics.all()) {
      require(!dlc::render(diagnostic).empty());
    }
  } catch (const dlc::Error& error) {
    require(error.kind() != dlc::ErrorKind::internal);
    require(!error.message().empty());
  }
  return 0;
}
