#include "store/filters.h"

#include <vector>

namespace dlc::store {

codec::Digest HashingSource::drain() {
  std::vector<std::byte> buffer(1 << 16);
  while (read(buffer) > 0) {
  }
  return hash_.finish();
}

std::size_t FileSource::read(std::span<std::byte> buffer) {
  return read_full(fd_, buffer, name_);
}

}  // namespace dlc::store
