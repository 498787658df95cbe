#pragma once
// A sink that passes bytes on and knows whether they are the ones wanted. Internal to registry.
#include <string>

#include "codec/digest.h"
#include "codec/stream.h"
#include "oci/image.h"

namespace dlc::registry {

/// Checks size and digest of a blob on its way into `out`. `finish` of the sink below is left to its owner.
class VerifyingSink : public codec::Sink {
 public:
  VerifyingSink(codec::Sink& out, const oci::Descriptor& descriptor, std::string place)
      : out_(out), descriptor_(descriptor), place_(std::move(place)) {}
  void write(std::span<const std::byte> bytes) override;  ///< Error(corrupt) as soon as it is too long
  void finish() override;                                 ///< Error(corrupt) where size or digest is another

 private:
  codec::Sink& out_;
  const oci::Descriptor& descriptor_;
  std::string place_;
  codec::Sha256 hash_;
  std::uint64_t size_ = 0;
};

}  // namespace dlc::registry
