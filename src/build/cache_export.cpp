#include "build/cache_export.h"

#include <array>
#include <map>
#include <set>

#include "base/error.h"
#include "build/cache_document.h"
#include "oci/reference.h"
#include "registry/export.h"
#include "registry/pull.h"
#include "registry/push.h"

namespace dlc::build {

namespace {

/// Collects steps and their layers, each once.
class CacheWriter {
 public:
  CacheWriter(const Graph& graph, store::Store& store, const codec::CompressionOptions& compression)
      : graph_(graph), store_(store), compression_(compression) {}

  void add(const StepIdentity& step) {
    const auto record = store_.records().find_step(step.definition);
    if (!record || !seen_.insert(step.definition).second) {
      return;
    }
    CachedStep cached;
    cached.keys.push_back(step.definition);
    if (step.content) {
      cached.keys.push_back(*step.content);
    }
    cached.operation = record->operation;
    cached.cost_ms = record->cost_ms;
    cached.inputs = record->inputs;
    cached.created = store_.records().value("created/" + record->result.hex()).value_or("");
    if (add_layers(record->result, base_layers(step.vertex), cached)) {
      document_.steps.push_back(std::move(cached));
    }
  }

  [[nodiscard]] const CacheDocument& document() const { return document_; }

 private:
  [[nodiscard]] std::size_t base_layers(VertexId id) const {
    while (true) {
      const auto& vertex = graph_.at(id);
      if (const auto* op = std::get_if<ImageOp>(&vertex.op)) {
        return op->image->config.diff_ids.size();
      }
      if (vertex.inputs.empty()) {
        return 0;
      }
      id = vertex.inputs[0];
    }
  }

  /// False where a layer is not here.
  bool add_layers(const Digest& chain, std::size_t base_layers, CachedStep& step) {
    if (chain.is_zero()) {
      return true;
    }
    auto layers = store_.layers().chain(chain);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const bool base = i < base_layers;
      if (!base && !pack(layers[i])) {
        return false;
      }
      step.layers.push_back(index_of(layers[i], base));
    }
    return true;
  }

  /// A layer that no image carries has no blob until somebody asks for one.
  bool pack(store::Layer& layer) {
    if (store_.blobs().contains(layer.blob)) {
      return true;
    }
    if (layer.unpacked) {
      layer = store_.layers().recompress(layer.chain_id, compression_);
    }
    return layer.unpacked;
  }

  std::size_t index_of(const store::Layer& layer, bool base) {
    const auto [place, is_new] = indexes_.emplace(std::pair(layer.chain_id, base), document_.layers.size());
    if (is_new) {
      CachedLayer cached;
      cached.diff_id = layer.diff_id;
      cached.base = base;
      cached.blob.digest = layer.blob;
      cached.blob.size = layer.blob_size;
      cached.blob.media_type = layer.media_type.empty() ? std::string(oci::kLayerGzipType) : layer.media_type;
      document_.layers.push_back(std::move(cached));
    }
    return place->second;
  }

  const Graph& graph_;
  store::Store& store_;
  const codec::CompressionOptions& compression_;
  CacheDocument document_;
  std::set<Digest> seen_;
  std::map<std::pair<Digest, bool>, std::size_t> indexes_;
};

Digest put_manifest(const CacheDocument& document, store::Store& store) {
  oci::Manifest manifest;
  manifest.artifact_type = kCacheArtifactType;
  const auto config = to_json(document);
  manifest.config.media_type = kCacheConfigType;
  manifest.config.digest = store.blobs().put(config);
  manifest.config.size = config.size();
  std::set<Digest> listed;
  for (const auto& layer : document.layers) {
    if (!layer.base && listed.insert(layer.blob.digest).second) {
      manifest.layers.push_back(layer.blob);
    }
  }
  return store.blobs().put(oci::to_json(manifest));
}

void write(const CacheSpec& spec, const Digest& manifest, store::Store& store, EventBus& bus, ActivityId parent,
           const std::stop_token& stop) {
  if (spec.type == CacheSpec::Type::local) {
    const auto source = registry::store_source(store, manifest);
    const auto name = "dlc.local/cache:" + (spec.tag.empty() ? std::string("latest") : spec.tag);
    const std::array images{registry::ExportedImage{.source = source.get(), .names = {name}, .annotations = {}}};
    registry::write_layout(spec.place, images);
    return;
  }
  registry::RegistryClient client;
  registry::PushOptions options;
  options.parent = parent;
  options.stop = stop;
  registry::push_image(client, oci::parse_reference(spec.place), store, manifest, options, bus);
}

}  // namespace

void export_cache(const CacheSpec& spec, const Graph& graph, std::span<const ImageTarget> targets,
                  std::span<const TargetResult> results, const codec::CompressionOptions& compression,
                  store::Store& store, EventBus& bus, const std::stop_token& stop) {
  Activity activity(bus, ActivityKind::other, "exporting cache to " + spec.place);
  try {
    CacheWriter writer(graph, store, compression);
    for (std::size_t t = 0; t < targets.size(); ++t) {
      const auto own = spine(graph, targets[t].root);
      for (const auto& step : results[t].identities) {
        if (spec.mode == CacheSpec::Mode::max || own.contains(step.vertex)) {
          writer.add(step);
        }
      }
    }
    write(spec, put_manifest(writer.document(), store), store, bus, activity.id(), stop);
    activity.finish(ActivityResult::done);
  } catch (Error& error) {
    error.context("cache " + spec.place);
    activity.finish(error);
    if (!spec.ignore_error || error.kind() == ErrorKind::cancelled) {
      throw;
    }
    bus.message("warning", error.what());
  }
}

}  // namespace dlc::build
