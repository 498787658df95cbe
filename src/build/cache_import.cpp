#include "build/cache_import.h"

#include <fmt/format.h>

#include "base/error.h"
#include "codec/compression.h"
#include "codec/sinks.h"
#include "oci/reference.h"
#include "registry/layout.h"
#include "registry/pull.h"

namespace dlc::build {

namespace {

/// Not the cache's fault: the build ends with these.
bool is_ours(const Error& error) {
  return error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::exhausted;
}

codec::Digest chain_of(const CacheDocument& document, const CachedStep& step) {
  codec::Digest chain;
  for (const auto index : step.layers) {
    chain = oci::chain_id(chain, document.layers[index].diff_id);
  }
  return chain;
}

}  // namespace

void CacheImports::open(Cache& cache, const CacheSpec& spec, const std::stop_token& stop) {
  if (spec.type == CacheSpec::Type::registry) {
    cache.client = std::make_unique<registry::RegistryClient>();
    cache.source = registry::registry_source(*cache.client, oci::parse_reference(spec.place), stop);
  } else {
    registry::LayoutReference reference{.directory = spec.place, .tag = spec.tag, .digest = std::nullopt};
    if (!spec.digest.empty()) {
      reference.digest = codec::Digest::try_parse(spec.digest);
      if (!reference.digest) {
        throw Error(ErrorKind::invalid, spec.digest + " is no digest");
      }
    }
    cache.source = registry::open_layout(reference);
  }
  const auto text = cache.source->manifest(cache.source->resolve());
  if (oci::document_kind(text) != oci::DocumentKind::manifest) {
    throw Error(ErrorKind::invalid, "it is an image index, not a cache of this program");
  }
  const auto manifest = oci::parse_manifest(text);
  if (manifest.config.media_type != kCacheConfigType) {
    throw Error(ErrorKind::invalid, "it is not a cache of this program (its configuration is " +
                                        manifest.config.media_type.substr(0, 80) + ")");
  }
  cache.document = parse_cache(registry::read_blob(*cache.source, manifest.config));
}

void CacheImports::add(const CacheSpec& spec, const std::stop_token& stop) {
  Cache cache;
  cache.shown = spec.place;
  Activity activity(bus_, ActivityKind::pull, "importing cache manifest from " + spec.place);
  try {
    open(cache, spec, stop);
  } catch (const Error& error) {
    activity.finish(ActivityResult::failed, error.what());
    if (is_ours(error)) {
      throw;
    }
    bus_.message("warning", fmt::format("the cache {} is not used: {}", spec.place, error.what()));
    return;
  }
  activity.finish(ActivityResult::done);
  caches_.push_back(std::move(cache));  // the document's steps keep their addresses: a vector's elements move with it
  auto& added = caches_.back();
  for (const auto& step : added.document.steps) {
    if (oci::parse_rfc3339(step.created)) {
      added.created.emplace(chain_of(added.document, step), step.created);
    }
    for (const auto& key : step.keys) {
      offers_.emplace(key, Offer{.cache = caches_.size() - 1, .step = &step, .chain = chain_of(added.document, step)});
    }
  }
}

std::optional<CacheImports::Offer> CacheImports::find(const codec::Digest& key, const std::set<codec::Digest>& bases) {
  const auto found = offers_.find(key);
  if (found == offers_.end()) {
    return std::nullopt;
  }
  {
    const std::scoped_lock lock(mutex_);
    if (bad_.contains(found->second.step)) {
      return std::nullopt;
    }
  }
  const auto& document = caches_[found->second.cache].document;
  codec::Digest chain;
  for (const auto index : found->second.step->layers) {
    const auto& layer = document.layers[index];
    chain = oci::chain_id(chain, layer.diff_id);
    if (layer.base && !bases.contains(chain)) {
      return std::nullopt;
    }
  }
  return found->second;
}

void CacheImports::fetch_layer(const Cache& cache, const CachedLayer& layer, const codec::Digest& parent,
                               ActivityId activity) {
  registry::ensure_layer_blob(*cache.source, store_, layer.blob, activity, bus_);
  const UniqueFd file = store_.blobs().open(layer.blob.digest);
  codec::FdSource packed(file.get(), "layer " + layer.blob.digest.str());
  codec::HashSink hash;
  codec::copy(*codec::decompress(packed), hash);
  hash.finish();
  if (hash.digest() != layer.diff_id) {
    throw Error(ErrorKind::corrupt, fmt::format("layer {} unpacks to {}, but the cache says {}",
                                                layer.blob.digest.str(), hash.digest().str(), layer.diff_id.str()));
  }
  static_cast<void>(store_.layers().adopt(parent, layer.diff_id, layer.blob));
}

bool CacheImports::fetch(const Offer& offer, ActivityId parent) {
  const auto& cache = caches_[offer.cache];
  try {
    codec::Digest chain;
    for (const auto index : offer.step->layers) {
      const auto& layer = cache.document.layers[index];
      const auto below = chain;
      chain = oci::chain_id(below, layer.diff_id);
      const auto known = store_.layers().find(chain);
      const bool here = known && (known->unpacked || store_.blobs().contains(known->blob));
      if (!here && !layer.base) {
        fetch_layer(cache, layer, below, parent);
      }
      const auto created = cache.created.find(chain);
      const auto name = "created/" + chain.hex();
      if (created != cache.created.end() && !store_.records().value(name)) {
        store_.records().set_value(name, created->second);
      }
    }
    return true;
  } catch (const Error& error) {
    if (is_ours(error)) {
      throw;
    }
    bus_.message("warning", fmt::format("a result of the cache {} is not used: {}", cache.shown, error.what()));
    const std::scoped_lock lock(mutex_);
    bad_.insert(offer.step);
    return false;
  }
}

}  // namespace dlc::build
