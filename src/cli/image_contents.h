#pragma once
// A stored image opened for looking into it.
#include <memory>
#include <vector>

#include "cli/image_lookup.h"
#include "contents/image_tree.h"

namespace dlc::cli {

/// `tree` reads through `files`.
struct OpenedImage {
  std::unique_ptr<contents::LayerFiles> files;
  std::unique_ptr<contents::ImageTree> tree;
  std::vector<std::vector<store::IndexEntry>> layers;  ///< lowest first
  std::vector<std::uint64_t> layer_bytes;              ///< of the uncompressed tars
};

/// Unpacks layers that are not yet.
[[nodiscard]] OpenedImage open_image(store::Store& store, const LocalImage& image);

}  // namespace dlc::cli
