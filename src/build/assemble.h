#pragma once
// The last step of a target: its configuration and manifest over its layers, as blobs in the store.
#include <optional>

#include "build/graph.h"
#include "build/solver.h"

namespace dlc::build {

/// `result.layers` is complete, with blobs. `epoch`, if given, is every new time of the configuration. Fills in
/// `result.manifest` and `result.config`.
void assemble(const ImageTarget& target, std::optional<std::int64_t> epoch, store::Store& store, TargetResult& result);

}  // namespace dlc::build
