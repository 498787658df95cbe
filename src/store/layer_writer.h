#pragma once
// From a list of changes to a layer's tar: deterministic, one pass over the files (read, hash, tar). And the same tar
// again.
#include <cstdint>
#include <optional>
#include <vector>

#include "codec/stream.h"
#include "codec/tar.h"
#include "store/changes.h"
#include "store/layers.h"

namespace dlc::store {

/// Writes the tar of `changes` (files read below `upper`) to `out` and finishes it. Times become whole seconds, not
/// later than `epoch`, in the tar and in the upper alike. Returns the index in the order of the tar.
[[nodiscard]] std::vector<IndexEntry> write_layer(int upper, const std::vector<Change>& changes,
                                                  std::optional<std::int64_t> epoch, codec::Sink& out,
                                                  Activity* activity);

/// Writes the same tar again and finishes it, from the index that write_layer gave and the snapshot that its upper
/// became. Damage shows in the tar's digest, and a file that became shorter is an Error.
void rewrite_layer(int snapshot, const std::vector<IndexEntry>& index, codec::Sink& out);

}  // namespace dlc::store
