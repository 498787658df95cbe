#pragma once
// One block of a deflate stream, compressed on its own so that blocks can be made in parallel: what precedes the block
// serves as dictionary, a sync flush ends it on a byte boundary, and so the pieces in a row are one stream (RFC 1951).
// Nothing here marks a last block: whoever joins the pieces appends `kStreamEnd`.
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dlc::codec {

inline constexpr std::size_t kDeflateWindow = 32 * 1024;
/// An empty final block with fixed codes.
inline constexpr std::array<std::byte, 2> kStreamEnd = {std::byte{0x03}, std::byte{0x00}};

/// Not thread-safe: one per thread. The output depends on the arguments alone.
class BlockDeflater {
 public:
  virtual ~BlockDeflater() = default;
  /// Replaces `out`. `dictionary` is at most `kDeflateWindow` long; `block` is not empty.
  virtual void deflate(std::span<const std::byte> dictionary, std::span<const std::byte> block,
                       std::vector<std::byte>& out) = 0;
};

/// ISA-L has levels 1 and 2 here: its level 3 gives other bytes on other CPU generations. zlib has 1 to 9.
struct DeflateEngine {
  enum class Library { isal, zlib } library;
  int level;
};

/// ISA-L where the CPU has SSE4.2 and neither `portable` nor a level above 2 asks for zlib. `level` 0: the default.
/// Throws Error(invalid) for a level out of range.
[[nodiscard]] DeflateEngine choose_deflate(int level, bool portable);
[[nodiscard]] std::string deflate_name(const DeflateEngine& engine);
[[nodiscard]] std::unique_ptr<BlockDeflater> make_deflater(const DeflateEngine& engine);

}  // namespace dlc::codec
