#include "store/filters.h"

#include <vector>

namespace dlc::store {

void drain(codec::Source& in) {
  std::vector<std::byte> buffer(1 << 16);
  while (in.read(buffer) > 0) {
  }
}

codec::Digest HashingSource::drain() {
  store::drain(*this);
  return hash_.finish();
}

std::size_t FileSource::read(std::span<std::byte> buffer) {
  return read_full(fd_, buffer, name_);
}

}  // namespace dlc::store
