#pragma once
// From a source into the store: manifest and config at once, layers in parallel now or later by need.
#include <cstdint>
#include <stop_token>
#include <vector>

#include "base/events.h"
#include "registry/source.h"
#include "store/store.h"

namespace dlc::registry {

struct PullOptions {
  oci::Platform platform;
  bool layers = true;     ///< false: manifest and config only; fetch layers later with `ensure_layer_blob`
  unsigned parallel = 3;  ///< layers at once
  ActivityId parent = 0;
  std::stop_token stop;
};

struct Pulled {
  oci::Descriptor root;        ///< what the name stood for: manifest or index
  oci::Descriptor descriptor;  ///< of the platform's manifest
  oci::Manifest manifest;
  oci::ImageConfig config;
  std::uint64_t fetched = 0;  ///< bytes of layers that were not in the store yet
};

/// Manifest and config are put into the store's blobs, so are layers that are missing. Names nothing (see
/// store::Records::tag). Everything is checked against its digest before it is kept.
[[nodiscard]] Pulled pull_image(ImageSource& source, store::Store& store, const PullOptions& options, EventBus& bus);

/// Fetches one blob unless the store has it; two callers, also of different processes, fetch it once. Returns whether
/// anything was fetched.
bool ensure_layer_blob(ImageSource& source, store::Store& store, const oci::Descriptor& descriptor, ActivityId parent,
                       EventBus& bus);
/// The same for several, `parallel` at once; the first error ends them all. Returns the bytes fetched.
std::uint64_t ensure_layer_blobs(ImageSource& source, store::Store& store,
                                 const std::vector<oci::Descriptor>& descriptors, const PullOptions& options,
                                 EventBus& bus);

/// An image that the store has, as a source (to save or push it). `manifest` is the digest of its manifest.
[[nodiscard]] std::unique_ptr<ImageSource> store_source(store::Store& store, const oci::Digest& manifest);

}  // namespace dlc::registry
