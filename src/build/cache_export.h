#pragma once
// Writes results of steps for others to start from (--cache-to; docs/formats/cache.md).
#include <span>
#include <stop_token>

#include "base/events.h"
#include "build/cache_spec.h"
#include "build/graph.h"
#include "build/solver.h"
#include "codec/compression.h"
#include "store/store.h"

namespace dlc::build {

/// `results[i]` is what became of `targets[i]`; all succeeded. With mode=min the steps of the images themselves, with
/// mode=max every step whose layers are in the store; those that are not packed yet are, by `compression`. Throws Error
/// that names the place.
void export_cache(const CacheSpec& spec, const Graph& graph, std::span<const ImageTarget> targets,
                  std::span<const TargetResult> results, const codec::CompressionOptions& compression,
                  store::Store& store, EventBus& bus, const std::stop_token& stop);

}  // namespace dlc::build
