#pragma once
// From the store to a registry: blobs that are missing there, in parallel, then the manifest that makes them an image.
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "oci/reference.h"
#include "registry/client.h"
#include "store/store.h"

namespace dlc::registry {

struct PushOptions {
  unsigned parallel = 3;                ///< blobs at once
  std::vector<std::string> mount_from;  ///< paths of repositories there that may have layers already
  bool referrers = true;                ///< what the store has attached to the image too
  ActivityId parent = 0;
  std::stop_token stop;
};

struct Pushed {
  oci::Descriptor descriptor;
  unsigned present = 0, mounted = 0, sent = 0;  ///< blobs
  std::uint64_t bytes = 0;                      ///< sent
  unsigned referrers = 0;                       ///< manifests that belong to the image, sent after it
};

/// `manifest` is the digest of an image's manifest in the store, or of an index with all that it lists. The name
/// appears there only when everything else is; what belongs to the image comes after it, and where that fails, the
/// error says that the image is there.
Pushed push_image(RegistryClient& client, const oci::Reference& reference, store::Store& store,
                  const oci::Digest& manifest, const PushOptions& options, EventBus& bus);

}  // namespace dlc::registry
