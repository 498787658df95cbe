#pragma once
// What the dynamic loader reads of an ELF file (32 or 64 bits, either byte order): only headers and the dynamic section
// are read, and every offset is checked, so hostile files cost no more than honest ones. Pure; thread-safe.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::contents {

struct Elf {
  unsigned bits = 64;
  bool big_endian = false;
  std::uint16_t machine = 0;  ///< e_machine
  std::uint16_t type = 0;     ///< e_type: 2 executable, 3 shared object
  std::uint64_t end = 0;      ///< of the headers and of what is loaded: a file that is shorter has been cut off
  bool loads = false;         ///< has a segment that is loaded; without one nothing can be started or linked
  std::string interpreter;    ///< PT_INTERP
  bool dynamic = false;       ///< has a dynamic section
  std::vector<std::string> needed;
  std::string soname;
  std::string rpath, runpath;

  /// Whether the loader can bring both into one process.
  [[nodiscard]] bool same_kind(const Elf& other) const noexcept {
    return bits == other.bits && big_endian == other.big_endian && machine == other.machine;
  }
};

/// Up to `size` bytes from `offset` on, fewer at the end of the file.
using ReadAt = std::function<std::string(std::uint64_t offset, std::uint64_t size)>;

/// nullopt where it is no ELF file or the parts that are read are damaged or larger than any real one's.
[[nodiscard]] std::optional<Elf> parse_elf(const ReadAt& read);

/// Go's name ("amd64", "arm64"); empty where it has none here.
[[nodiscard]] std::string_view architecture_of(const Elf& elf) noexcept;

}  // namespace dlc::contents
