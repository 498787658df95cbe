#pragma once
// Finds the image that a FROM, a COPY --from or a mount names (docs/engine.md, "FROM"): base root file systems of ours
// (dlc.local/base/NAME), images in the store, OCI layouts and archives, registries. Only manifest and config are
// fetched here; `ensure_layers` brings the layers when a step or an export needs them.
#include <memory>
#include <stop_token>
#include <string>

#include "base/events.h"
#include "build/graph.h"
#include "oci/image.h"
#include "store/store.h"

namespace dlc::build {

enum class PullPolicy { newer, missing, always, never };

struct ResolverOptions {
  PullPolicy pull = PullPolicy::newer;
  std::string bases_file;      ///< base/images.toml, or empty
  bool refresh_bases = false;  ///< --pull: make base root file systems anew
  bool make_bases = true;      ///< false: a base that is not in the store is Error(not_found)
};

/// Thread-safe: equal names are resolved once.
class ImageFinder {
 public:
  ImageFinder(store::Store& store, EventBus& bus, ResolverOptions options, std::stop_token stop);
  ~ImageFinder();
  /// Throws Error(not_found/network/denied) that names the reference, what was tried and what to do.
  [[nodiscard]] std::shared_ptr<const ResolvedImage> resolve(const std::string& name, const oci::Platform& platform);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Brings missing layer blobs of `image` into the store (from its origin) and adopts its layers; with `unpack` also
/// their snapshots. Returns the chain id of its file system. Thread-safe and idempotent. After a stop request what is
/// still to be fetched is Error(cancelled).
Digest ensure_layers(const ResolvedImage& image, store::Store& store, EventBus& bus, ActivityId parent, bool blobs,
                     bool unpack, const std::stop_token& stop = {});

}  // namespace dlc::build
