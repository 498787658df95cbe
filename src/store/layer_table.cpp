#include "store/layer_table.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace dlc::store {

namespace {

std::int64_t signed_of(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

LayerBlob blob_of(const Database::Row& row) {
  return {row.digest(0), static_cast<std::uint64_t>(row.integer(1)), row.text(2)};
}

Layer layer_of(const Database::Row& row) {
  Layer layer;
  layer.chain_id = row.digest(0);
  layer.parent = row.digest(1);
  layer.diff_id = row.digest(2);
  layer.size = static_cast<std::uint64_t>(row.integer(3));
  layer.unpacked = row.integer(4) != 0;
  return layer;
}

}  // namespace

std::optional<Layer> LayerTable::find(const Digest& chain_id) const {
  std::optional<Layer> found;
  database_.query("SELECT chain_id, parent, diff_id, size, unpacked FROM layers WHERE chain_id=?", {chain_id},
                  [&](const auto& row) { found = layer_of(row); });
  if (!found) {
    return found;
  }
  std::vector<LayerBlob> known;
  database_.query("SELECT blob, size, media_type FROM layer_blobs WHERE diff_id=? ORDER BY preferred", {found->diff_id},
                  [&](const auto& row) { known.push_back(blob_of(row)); });
  const auto here =
      std::find_if(known.begin(), known.end(), [&](const auto& blob) { return blobs_.contains(blob.digest); });
  if (!known.empty()) {
    const auto& blob = here == known.end() ? known.front() : *here;
    found->blob = blob.digest;
    found->blob_size = blob.size;
    found->media_type = blob.media_type;
  }
  return found;
}

std::vector<Layer> LayerTable::chain(const Digest& chain_id) const {
  std::vector<Layer> layers;
  for (Digest at = chain_id; !at.is_zero(); at = layers.back().parent) {
    auto layer = find(at);
    if (!layer) {
      throw Error(ErrorKind::not_found, "layer " + at.str() + " is not in the store");
    }
    layers.push_back(std::move(*layer));
  }
  std::reverse(layers.begin(), layers.end());
  return layers;
}

void LayerTable::put(const Layer& layer, const std::string& engine) {
  database_.transaction([&] {
    database_.run(
        "INSERT INTO layers VALUES(?,?,?,?,?,?,?) ON CONFLICT(chain_id) DO UPDATE SET "
        "unpacked=max(unpacked, excluded.unpacked), size=max(size, excluded.size), created=excluded.created, "
        "generation=excluded.generation",
        {layer.chain_id, layer.parent, layer.diff_id, signed_of(layer.size), std::int64_t{layer.unpacked},
         std::int64_t{std::time(nullptr)}, database_.generation()});
    if (!engine.empty() && !layer.blob.is_zero()) {
      put_blob(layer.diff_id, engine, {layer.blob, layer.blob_size, layer.media_type});
    }
  });
}

void LayerTable::put_blob(const Digest& diff_id, const std::string& engine, const LayerBlob& blob) {
  database_.run(
      "INSERT OR IGNORE INTO layer_blobs SELECT ?1, ?2, ?3, ?4, ?5, "
      "(SELECT count(*) FROM layer_blobs WHERE diff_id=?1)",
      {diff_id, engine, blob.digest, signed_of(blob.size), blob.media_type});
}

std::optional<LayerBlob> LayerTable::find_blob(const Digest& diff_id, const std::string& engine) const {
  std::vector<LayerBlob> known;
  database_.query("SELECT blob, size, media_type FROM layer_blobs WHERE diff_id=? AND engine=?", {diff_id, engine},
                  [&](const auto& row) { known.push_back(blob_of(row)); });
  for (auto& blob : known) {
    if (blobs_.contains(blob.digest)) {
      return blob;
    }
  }
  return std::nullopt;
}

std::optional<LayerBlob> LayerTable::any_blob(const Digest& diff_id) const {
  std::vector<LayerBlob> known;
  database_.query("SELECT blob, size, media_type FROM layer_blobs WHERE diff_id=? ORDER BY preferred", {diff_id},
                  [&](const auto& row) { known.push_back(blob_of(row)); });
  for (auto& blob : known) {
    if (blobs_.contains(blob.digest)) {
      return blob;
    }
  }
  return std::nullopt;
}

void write_layer_file(const std::filesystem::path& path, const Layer& layer) {
  const auto text_of = [](const Digest& digest) { return digest.is_zero() ? std::string() : digest.str(); };
  const nlohmann::json json{{"chain_id", text_of(layer.chain_id)}, {"parent", text_of(layer.parent)},
                            {"diff_id", text_of(layer.diff_id)},   {"blob", text_of(layer.blob)},
                            {"blob_size", layer.blob_size},        {"size", layer.size},
                            {"media_type", layer.media_type}};
  write_file_atomically(path, json.dump() + "\n", Durability::volatile_, 0600);
}

std::optional<Layer> read_layer_file(const std::filesystem::path& path) {
  std::string text;
  try {
    text = read_file(path, 1 << 16);
  } catch (const Error&) {
    return std::nullopt;
  }
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) {
    return std::nullopt;
  }
  const auto text_of = [&](const char* name) {
    const auto member = json.find(name);
    return member != json.end() && member->is_string() ? member->get<std::string>() : std::string();
  };
  const auto number_of = [&](const char* name) {
    const auto member = json.find(name);
    return member != json.end() && member->is_number_unsigned() ? member->get<std::uint64_t>() : 0;
  };
  const auto chain = Digest::try_parse(text_of("chain_id"));
  const auto diff = Digest::try_parse(text_of("diff_id"));
  if (!chain || !diff) {
    return std::nullopt;
  }
  Layer layer;
  layer.chain_id = *chain;
  layer.parent = Digest::try_parse(text_of("parent")).value_or(Digest());
  layer.diff_id = *diff;
  layer.blob = Digest::try_parse(text_of("blob")).value_or(Digest());
  layer.blob_size = number_of("blob_size");
  layer.size = number_of("size");
  layer.media_type = text_of("media_type");
  layer.unpacked = true;
  return layer;
}

}  // namespace dlc::store
