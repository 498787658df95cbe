#include "build/assemble.h"

#include <algorithm>

#include "base/error.h"

namespace dlc::build {

namespace {

/// When a layer's step ran, as the solver recorded it; an image built again from known steps keeps its bytes.
std::string created_of(const store::Layer& layer, store::Store& store) {
  return store.records().value("created/" + layer.chain_id.hex()).value_or("");
}

/// The OCI spelling of a layer's type, whatever registry it came from.
std::string oci_layer_type(const std::string& type) {
  if (type == oci::kDockerLayerGzipType) {
    return std::string(oci::kLayerGzipType);
  }
  return type.empty() ? std::string(oci::kLayerGzipType) : type;
}

/// Gives each new history entry the time of its layer, or of the last layer before it.
void date_history(oci::ImageConfig& config, std::size_t base_history, const std::vector<store::Layer>& layers,
                  std::optional<std::int64_t> epoch, store::Store& store) {
  std::string time = config.created;
  std::size_t layer = 0;
  for (std::size_t i = 0; i < config.history.size(); ++i) {
    auto& entry = config.history[i];
    if (!entry.empty_layer && layer < layers.size()) {
      const auto made = i < base_history ? std::string() : created_of(layers[layer], store);
      time = made.empty() ? time : made;
      ++layer;
    }
    if (i >= base_history) {
      entry.created = epoch ? oci::rfc3339(*epoch) : time;
    }
  }
  config.created = epoch ? oci::rfc3339(*epoch) : time;
}

/// A base without history (or with too little of it) gets one blank entry for each layer that none tells of.
void fill_history(oci::ImageConfig& config, std::size_t& base_history, std::size_t layers) {
  const auto told = static_cast<std::size_t>(
      std::count_if(config.history.begin(), config.history.end(), [](const auto& h) { return !h.empty_layer; }));
  if (told > layers) {
    throw Error(ErrorKind::invalid, "the base image's history names more layers than it has");
  }
  const auto missing = layers - told;
  config.history.insert(config.history.begin() + static_cast<std::ptrdiff_t>(base_history), missing, oci::History{});
  base_history += missing;
}

}  // namespace

void assemble(const ImageTarget& target, std::optional<std::int64_t> epoch, store::Store& store, TargetResult& result) {
  oci::ImageConfig config = target.config;
  config.diff_ids.clear();
  oci::Manifest manifest;
  for (const auto& layer : result.layers) {
    config.diff_ids.push_back(layer.diff_id);
    oci::Descriptor descriptor;
    descriptor.media_type = oci_layer_type(layer.media_type);
    descriptor.digest = layer.blob;
    descriptor.size = layer.blob_size;
    manifest.layers.push_back(std::move(descriptor));
  }
  std::size_t base_history = target.base_history;
  fill_history(config, base_history, result.layers.size());
  date_history(config, base_history, result.layers, epoch, store);
  const auto config_text = oci::to_json(config);
  manifest.config.media_type = oci::kConfigType;
  manifest.config.digest = store.blobs().put(config_text);
  manifest.config.size = config_text.size();
  manifest.annotations = target.annotations;
  const auto manifest_text = oci::to_json(manifest);
  result.config = manifest.config.digest;
  result.manifest.media_type = oci::kManifestType;
  result.manifest.digest = store.blobs().put(manifest_text);
  result.manifest.size = manifest_text.size();
  result.manifest.platform = config.platform;
}

}  // namespace dlc::build
