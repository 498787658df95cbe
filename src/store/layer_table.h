#pragma once
// The layers and their blobs in the database, and the JSON copy beside each snapshot from which they can be restored.
// Thread-safe.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/blobs.h"
#include "store/database.h"
#include "store/layers.h"

namespace dlc::store {

struct LayerBlob {
  Digest digest;
  std::uint64_t size = 0;
  std::string media_type;
};

class LayerTable {
 public:
  LayerTable(Database& database, const BlobStore& blobs) : database_(database), blobs_(blobs) {}

  /// With the first of its blobs that is here, else the first that is known.
  [[nodiscard]] std::optional<Layer> find(const Digest& chain_id) const;
  /// Lowest first. Error(not_found) where a link of the chain is unknown.
  [[nodiscard]] std::vector<Layer> chain(const Digest& chain_id) const;
  /// Inserts or updates; `unpacked` and `size` never go back. Its blob is recorded under `engine` unless that is empty.
  void put(const Layer& layer, const std::string& engine);
  void put_blob(const Digest& diff_id, const std::string& engine, const LayerBlob& blob);
  /// The blob that this engine made, where it is here.
  [[nodiscard]] std::optional<LayerBlob> find_blob(const Digest& diff_id, const std::string& engine) const;
  /// Any blob that is here.
  [[nodiscard]] std::optional<LayerBlob> any_blob(const Digest& diff_id) const;

 private:
  Database& database_;
  const BlobStore& blobs_;
};

/// snapshots/<chain>/layer.json.
void write_layer_file(const std::filesystem::path& path, const Layer& layer);
/// nullopt where it cannot be read.
[[nodiscard]] std::optional<Layer> read_layer_file(const std::filesystem::path& path);

}  // namespace dlc::store
