#pragma once
// Whether compiled Python is what its source compiles to: the header of a .pyc file (PEP 552) against the source's time
// and size, or hash. Pure; thread-safe.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dlc::contents {

/// SipHash with `rounds` and `final_rounds` under the key (k0, k1), as in siphash13 and siphash24.
[[nodiscard]] std::uint64_t siphash(std::string_view data, std::uint64_t k0, std::uint64_t k1, int rounds,
                                    int final_rounds) noexcept;

struct Bytecode {
  std::uint16_t magic = 0;  ///< 3495 is Python 3.11's
  std::uint32_t flags = 0;  ///< 1: has a hash, 2: the hash is checked when it is loaded
  std::uint32_t mtime = 0, size = 0;
  std::uint64_t hash = 0;
};

/// nullopt where `bytes` (16 or more of them) do not begin a .pyc file of Python 3.7 or later.
[[nodiscard]] std::optional<Bytecode> parse_bytecode(std::string_view bytes);

/// importlib.util.source_hash of the Python that wrote `magic`.
[[nodiscard]] std::uint64_t source_hash(std::string_view source, std::uint16_t magic) noexcept;

/// The source of ".../__pycache__/name.cpython-311.pyc": ".../name.py"; empty for other paths.
[[nodiscard]] std::string source_of_bytecode(std::string_view path);

}  // namespace dlc::contents
