#include "cli/image_contents.h"

#include <algorithm>

namespace dlc::cli {

OpenedImage open_image(store::Store& store, const LocalImage& image) {
  OpenedImage opened;
  const auto chain = unpack_image(store, image);
  std::vector<std::string> directories;
  for (const auto& directory : store.layers().lowers(chain)) {
    directories.push_back(directory.string());
  }
  std::ranges::reverse(directories);
  for (const auto& layer : store.layers().chain(chain)) {
    opened.layers.push_back(store.layers().index(layer.diff_id));
    opened.layer_bytes.push_back(layer.size);
  }
  opened.files = contents::snapshot_files(directories);
  opened.tree = std::make_unique<contents::ImageTree>(opened.layers, *opened.files);
  return opened;
}

}  // namespace dlc::cli
