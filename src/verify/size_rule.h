#pragma once
// The size rule of the buildspecs: an image may be at most 1.2 times as large as its `image_size_baseline`, where the
// size is the sum of the uncompressed layers in MiB. Pure functions over layers and their indexes. Thread-safe.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "store/layers.h"

namespace dlc::verify {

struct LayerSize {
  std::size_t number = 0;   ///< from 1, lowest first
  std::uint64_t bytes = 0;  ///< of the uncompressed tar
  std::string made_by;      ///< history entry
};

struct PathSize {
  std::string path;  ///< absolute
  std::uint64_t bytes = 0;
  std::size_t layer = 0;  ///< number of the layer that brings it
};

struct SizeFinding {
  bool over = false;
  std::uint64_t bytes = 0;        ///< of all layers
  std::int64_t baseline_mib = 0;  ///< 0: none, never over
  std::vector<LayerSize> layers;  ///< the largest first; only where `over`
  std::vector<PathSize> paths;    ///< the largest directories and files, none inside another; only where `over`
};

/// One layer as the rule sees it; `index` is called only where the image is too large.
struct SizedLayer {
  std::uint64_t bytes = 0;
  std::string made_by;
  std::function<std::vector<store::IndexEntry>()> index;
};

/// Whether `bytes` is more than 1.2 x `baseline_mib` MiB (exact, no rounding).
[[nodiscard]] bool over_baseline(std::uint64_t bytes, std::int64_t baseline_mib);

/// MiB, rounded to the nearest.
[[nodiscard]] std::int64_t to_mib(std::uint64_t bytes);

[[nodiscard]] SizeFinding check_size(std::span<const SizedLayer> layers, std::int64_t baseline_mib,
                                     std::size_t most = 5);

/// The `most` heaviest places of an index, none inside another: a directory gives way to its children as long as one of
/// them holds at least a quarter of it.
[[nodiscard]] std::vector<PathSize> largest_paths(std::span<const store::IndexEntry> entries, std::size_t layer,
                                                  std::size_t most);

/// How an image grew against an earlier one.
struct Growth {
  std::int64_t bytes = 0;       ///< of the layers together; less than 0: it shrank
  std::vector<PathSize> paths;  ///< the places that grew most, with how much; none inside another
};

/// `before` and `now` are the entries of all layers of the two.
[[nodiscard]] Growth growth(std::span<const store::IndexEntry> before, std::span<const store::IndexEntry> now,
                            std::size_t most = 5);

}  // namespace dlc::verify
