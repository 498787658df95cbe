#pragma once
// Caches that others wrote (--cache-from): results of steps by key, their layers fetched when a build needs them.
// A cache decides what a step's result is, as a base decides what an image starts from; beyond that nothing of it is
// believed: every byte is compared with its digest and every layer with its diff id before it is kept. What is damaged
// or foreign is a warning and a step that runs.
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/events.h"
#include "build/cache_document.h"
#include "build/cache_spec.h"
#include "registry/client.h"
#include "registry/source.h"
#include "store/store.h"

namespace dlc::build {

/// Thread-safe but for `add`.
class CacheImports {
 public:
  /// Both outlive this.
  CacheImports(store::Store& store, EventBus& bus) : store_(store), bus_(bus) {}

  /// Reads the cache's list of steps. Where it cannot be read, says so as a warning and adds nothing.
  void add(const CacheSpec& spec, const std::stop_token& stop);

  /// A result that a cache offers.
  struct Offer {
    std::size_t cache = 0;
    const CachedStep* step = nullptr;
    codec::Digest chain;  ///< zero for the empty file system
  };
  /// `bases`: chain ids that come with the base images at hand; an offer over another base is none.
  [[nodiscard]] std::optional<Offer> find(const codec::Digest& key, const std::set<codec::Digest>& bases);
  /// Brings the layers of an offer into the store. False, after a warning, where that cannot be done; it is then not
  /// offered again. The layers of its base must be known to the store.
  [[nodiscard]] bool fetch(const Offer& offer, ActivityId parent);

 private:
  struct Cache {
    std::string shown;
    std::unique_ptr<registry::RegistryClient> client;
    std::unique_ptr<registry::ImageSource> source;
    CacheDocument document;
    std::map<codec::Digest, std::string> created;  ///< chain id -> when its step ran
  };
  void open(Cache& cache, const CacheSpec& spec, const std::stop_token& stop);
  void fetch_layer(const Cache& cache, const CachedLayer& layer, const codec::Digest& parent, ActivityId activity);

  store::Store& store_;
  EventBus& bus_;
  std::vector<Cache> caches_;
  std::unordered_map<codec::Digest, Offer> offers_;
  std::mutex mutex_;  // guards `bad_`
  std::set<const CachedStep*> bad_;
};

}  // namespace dlc::build
