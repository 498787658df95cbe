#pragma once
// The bytes of an archive with a position, read through one buffer. Used by the tar reader only.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/stream.h"
#include "codec/tar_format.h"

namespace dlc::codec::tar {

class Input {
 public:
  explicit Input(Source& in);

  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  /// As `Source::read`.
  std::size_t read(std::span<std::byte> out);
  /// False at the end of the input; a part of a block is Error(corrupt).
  [[nodiscard]] bool read_block(Block& block);
  /// Error(corrupt) where the input ends before.
  void read_exactly(std::span<std::byte> out);
  void skip(std::uint64_t count);
  /// Reads to the end.
  void drain();

 private:
  [[nodiscard]] bool refill();

  Source& in_;
  std::vector<std::byte> buffer_;
  std::size_t next_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace dlc::codec::tar
