#pragma once
// Which layers a build has at hand, and bringing those that it needs: a base's from where the base is, a shared
// cache's from there, snapshots from blobs.
#include <map>
#include <mutex>
#include <set>
#include <stop_token>

#include "base/events.h"
#include "build/cache_import.h"
#include "build/graph.h"
#include "store/store.h"

namespace dlc::build {

/// Thread-safe; two steps over one base wait for one unpacking.
class LayerSupply {
 public:
  /// All arguments outlive this.
  LayerSupply(const Graph& graph, store::Store& store, EventBus& bus, const std::stop_token& stop);

  /// Chain ids of all layers of all base images of the graph, and the empty one.
  [[nodiscard]] const std::set<Digest>& bases() const noexcept { return bases_; }
  /// The image below a file system, or nullptr over the empty one.
  [[nodiscard]] const ResolvedImage* base_of(VertexId id) const;
  /// Whether all layers of a recorded result are still here (the base's may be where the base came from).
  [[nodiscard]] bool usable(const Digest& chain);

  /// Makes the layers of the vertex's base known to the store; with `blobs` brings their bytes. How many there are.
  std::size_t fetch_base(VertexId id, ActivityId parent, bool blobs);
  /// Brings the snapshots of the vertex's result.
  void unpack(const Digest& chain, VertexId id, ActivityId parent);
  /// Brings the layers of a result that a shared cache offers. False where they cannot be had.
  [[nodiscard]] bool accept(CacheImports& imports, const CacheImports::Offer& offer, VertexId id, ActivityId parent);

 private:
  bool usable_unlocked(const Digest& chain);

  const Graph& graph_;
  store::Store& store_;
  EventBus& bus_;
  const std::stop_token& stop_;
  std::set<Digest> bases_;
  std::mutex mutex_;  // guards the two below, and what brings layers
  std::set<Digest> unpacked_;
  std::map<Digest, bool> usable_;
};

}  // namespace dlc::build
