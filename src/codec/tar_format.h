#pragma once
// The 512-byte header block of tar and the values in it (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual,
// "Basic Tar Format"), and the records of PAX extended headers. Used by the reader and the writer only.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dlc::codec::tar {

inline constexpr std::size_t kBlockSize = 512;
using Block = std::array<char, kBlockSize>;

/// Where a field lies in the header block.
struct Field {
  std::size_t offset;
  std::size_t size;
};
inline constexpr Field kName{0, 100};
inline constexpr Field kMode{100, 8};
inline constexpr Field kUid{108, 8};
inline constexpr Field kGid{116, 8};
inline constexpr Field kSize{124, 12};
inline constexpr Field kMtime{136, 12};
inline constexpr Field kChecksum{148, 8};
inline constexpr Field kType{156, 1};
inline constexpr Field kLink{157, 100};
inline constexpr Field kMagic{257, 8};  ///< with the version
inline constexpr Field kMajor{329, 8};
inline constexpr Field kMinor{337, 8};
inline constexpr Field kPrefix{345, 155};

inline constexpr std::string_view kUstarMagic{
    "ustar\0"
    "00",
    8};

struct PaxTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};

[[nodiscard]] std::string_view field(const Block& block, Field where);
/// A field's text up to its first NUL.
[[nodiscard]] std::string_view text(const Block& block, Field where);
/// Octal digits, or base 256 (GNU). Throws Error(corrupt), which calls it `what`.
[[nodiscard]] std::int64_t number(std::string_view bytes, const char* what);
/// The sum of all bytes with the checksum field as spaces; old writers took bytes as signed.
[[nodiscard]] bool checksum_matches(const Block& block);

void put_text(Block& block, Field where, std::string_view value);
/// Octal digits and a NUL; false (and zeros) where they don't fit.
bool put_number(Block& block, Field where, std::uint64_t value);
void put_checksum(Block& block);

/// Calls `visit` with key and value of each record, in order. Throws Error(corrupt).
void parse_pax(std::string_view records, const std::function<void(std::string_view, std::string_view)>& visit);
[[nodiscard]] std::string pax_record(std::string_view key, std::string_view value);

/// Decimal digits only. Throws Error(corrupt).
[[nodiscard]] std::uint64_t decimal(std::string_view value, const char* what);
/// "12.5", "-0.25": seconds rounded down, nanoseconds upwards from there. Throws Error(corrupt).
[[nodiscard]] PaxTime parse_pax_time(std::string_view value);
[[nodiscard]] std::string format_pax_time(PaxTime time);

}  // namespace dlc::codec::tar
