#pragma once
// Hashes named fields without ambiguity: every string goes in with its length.
#include <string_view>

#include "codec/digest.h"

namespace dlc::build {

class KeyHasher {
 public:
  explicit KeyHasher(std::string_view domain) { add(domain); }
  KeyHasher& add(std::string_view text) {
    const auto size = static_cast<std::uint64_t>(text.size());
    hash_.update(std::as_bytes(std::span(&size, 1)));
    hash_.update(text);
    return *this;
  }
  KeyHasher& add(std::uint64_t number) {
    hash_.update(std::as_bytes(std::span(&number, 1)));
    return *this;
  }
  KeyHasher& add(const codec::Digest& digest) {
    hash_.update(std::as_bytes(std::span(digest.bytes())));
    return *this;
  }
  [[nodiscard]] codec::Digest finish() { return hash_.finish(); }

 private:
  codec::Sha256 hash_;
};

}  // namespace dlc::build
