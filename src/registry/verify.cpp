#include "registry/verify.h"

#include <fmt/format.h>

#include "base/error.h"

namespace dlc::registry {

void VerifyingSink::write(std::span<const std::byte> bytes) {
  if (bytes.size() > descriptor_.size - size_) {
    throw Error(ErrorKind::corrupt, fmt::format("{}: blob {} is longer than the {} bytes its descriptor says", place_,
                                                descriptor_.digest.str(), descriptor_.size));
  }
  size_ += bytes.size();
  hash_.update(bytes);
  out_.write(bytes);
}

void VerifyingSink::finish() {
  if (size_ != descriptor_.size) {
    throw Error(ErrorKind::corrupt, fmt::format("{}: blob {} has {} bytes, its descriptor says {}", place_,
                                                descriptor_.digest.str(), size_, descriptor_.size));
  }
  if (const auto found = hash_.finish(); found != descriptor_.digest) {
    throw Error(ErrorKind::corrupt,
                fmt::format("{}: blob {} has the content {}", place_, descriptor_.digest.str(), found.str()))
        .hint("the copy there is damaged or was changed on the way; push the image again");
  }
}

}  // namespace dlc::registry
