#include "build/layer_supply.h"

#include "build/image_resolver.h"

namespace dlc::build {

LayerSupply::LayerSupply(const Graph& graph, store::Store& store, EventBus& bus, const std::stop_token& stop)
    : graph_(graph), store_(store), bus_(bus), stop_(stop) {
  bases_.insert(Digest());
  for (VertexId id = 0; id < graph_.size(); ++id) {
    if (const auto* op = std::get_if<ImageOp>(&graph_.at(id).op)) {
      Digest chain;
      for (const auto& diff_id : op->image->config.diff_ids) {
        chain = oci::chain_id(chain, diff_id);
        bases_.insert(chain);
      }
    }
  }
}

const ResolvedImage* LayerSupply::base_of(VertexId id) const {
  while (true) {
    const auto& vertex = graph_.at(id);
    if (const auto* op = std::get_if<ImageOp>(&vertex.op)) {
      return op->image.get();
    }
    if (vertex.inputs.empty()) {
      return nullptr;
    }
    id = vertex.inputs[0];
  }
}

bool LayerSupply::usable(const Digest& chain) {
  const std::scoped_lock lock(mutex_);
  return usable_unlocked(chain);
}

bool LayerSupply::usable_unlocked(const Digest& chain) {
  if (chain.is_zero()) {
    return true;
  }
  const auto known = usable_.find(chain);
  if (known != usable_.end()) {
    return known->second;
  }
  const auto layer = store_.layers().find(chain);
  const bool here = layer && (layer->unpacked || store_.blobs().contains(layer->blob) || bases_.contains(chain));
  const bool yes = here && usable_unlocked(layer->parent);
  usable_.emplace(chain, yes);
  return yes;
}

std::size_t LayerSupply::fetch_base(VertexId id, ActivityId parent, bool blobs) {
  const auto* image = base_of(id);
  if (image == nullptr) {
    return 0;
  }
  const std::scoped_lock lock(mutex_);
  ensure_layers(*image, store_, bus_, parent, blobs, false, stop_);
  return image->config.diff_ids.size();
}

void LayerSupply::unpack(const Digest& chain, VertexId id, ActivityId parent) {
  const std::scoped_lock lock(mutex_);
  if (unpacked_.contains(chain) || chain.is_zero()) {
    return;
  }
  if (const auto* image = base_of(id)) {
    ensure_layers(*image, store_, bus_, parent, false, true, stop_);
  }
  for (const auto& layer : store_.layers().chain(chain)) {
    if (!layer.unpacked) {
      store_.layers().unpack(layer.chain_id, stop_);
    }
  }
  unpacked_.insert(chain);
}

bool LayerSupply::accept(CacheImports& imports, const CacheImports::Offer& offer, VertexId id, ActivityId parent) {
  fetch_base(id, parent, false);
  if (!imports.fetch(offer, parent)) {
    return false;
  }
  const std::scoped_lock lock(mutex_);
  usable_.clear();  // it was not, before
  return usable_unlocked(offer.chain);
}

}  // namespace dlc::build
