#pragma once
// The list of steps and results that a shared cache carries (docs/formats/cache.md).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/digest.h"
#include "oci/image.h"

namespace dlc::build {

inline constexpr std::string_view kCacheArtifactType = "application/vnd.dlc.cache.v1";
inline constexpr std::string_view kCacheConfigType = "application/vnd.dlc.cache.config.v1+json";

struct CachedLayer {
  codec::Digest diff_id;
  oci::Descriptor blob;
  bool base = false;  ///< it came with a base image: its bytes are where that is
};

/// A step whose result is known: the file system of `layers`.
struct CachedStep {
  std::vector<codec::Digest> keys;  ///< definition key, content key (docs/engine.md, "Keys")
  codec::Digest operation;
  std::vector<std::size_t> layers;  ///< of the document's, lowest first
  std::uint64_t cost_ms = 0;
  std::string inputs;   ///< JSON: what went into the key, by name
  std::string created;  ///< RFC 3339, or empty
};

struct CacheDocument {
  std::vector<CachedLayer> layers;
  std::vector<CachedStep> steps;
};

/// Equal documents give equal bytes.
[[nodiscard]] std::string to_json(const CacheDocument& document);
/// Throws Error(invalid) that says what is wrong, Error(unsupported) for another schema. Every index is in range.
[[nodiscard]] CacheDocument parse_cache(std::string_view json);

}  // namespace dlc::build
