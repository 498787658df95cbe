#include "build/cache_document.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "build/keys.h"
#include "oci/json_guard.h"

namespace dlc::build {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSchema = "dlc.cache/1";

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::invalid, "the cache's list of steps: " + what);
}

const Json& member(const Json& object, const char* name) {
  if (!object.is_object() || !object.contains(name)) {
    refuse(std::string("member ") + name + " is missing");
  }
  return object[name];
}

std::string text_of(const Json& object, const char* name) {
  const auto& value = member(object, name);
  if (!value.is_string()) {
    refuse(std::string(name) + " is no text");
  }
  return value.get<std::string>();
}

std::uint64_t number_of(const Json& value, const char* name) {
  if (!value.is_number_unsigned()) {
    refuse(std::string(name) + " is no number");
  }
  return value.get<std::uint64_t>();
}

codec::Digest digest_of(const Json& object, const char* name) {
  const auto digest = codec::Digest::try_parse(text_of(object, name));
  if (!digest) {
    refuse(std::string(name) + " is no digest");
  }
  return *digest;
}

const Json& list_of(const Json& object, const char* name) {
  const auto& value = member(object, name);
  if (!value.is_array()) {
    refuse(std::string(name) + " is no list");
  }
  return value;
}

CachedLayer parse_layer(const Json& json) {
  CachedLayer layer;
  layer.diff_id = digest_of(json, "diff_id");
  layer.blob.digest = digest_of(json, "digest");
  layer.blob.size = number_of(member(json, "size"), "size");
  layer.blob.media_type = text_of(json, "media_type");
  if (!oci::is_layer_type(layer.blob.media_type)) {
    refuse("media_type " + layer.blob.media_type + " is no layer's");
  }
  const auto& base = member(json, "base");
  layer.base = base.is_boolean() && base.get<bool>();
  return layer;
}

CachedStep parse_step(const Json& json, std::size_t layers) {
  CachedStep step;
  for (const auto& key : list_of(json, "keys")) {
    const auto digest = key.is_string() ? codec::Digest::try_parse(key.get<std::string>()) : std::nullopt;
    if (!digest) {
      refuse("a key is no digest");
    }
    step.keys.push_back(*digest);
  }
  step.operation = digest_of(json, "operation");
  for (const auto& index : list_of(json, "layers")) {
    const auto number = number_of(index, "layers");
    if (number >= layers) {
      refuse("a step names a layer that is not listed");
    }
    step.layers.push_back(number);
  }
  step.cost_ms = number_of(member(json, "cost_ms"), "cost_ms");
  step.inputs = member(json, "inputs").dump();
  step.created = text_of(json, "created");
  return step;
}

}  // namespace

std::string to_json(const CacheDocument& document) {
  Json layers = Json::array();
  for (const auto& layer : document.layers) {
    layers.push_back({{"diff_id", layer.diff_id.str()},
                      {"digest", layer.blob.digest.str()},
                      {"size", layer.blob.size},
                      {"media_type", layer.blob.media_type},
                      {"base", layer.base}});
  }
  Json steps = Json::array();
  for (const auto& step : document.steps) {
    Json keys = Json::array();
    for (const auto& key : step.keys) {
      keys.push_back(key.str());
    }
    auto inputs = Json::parse(step.inputs, nullptr, false);
    steps.push_back({{"keys", std::move(keys)},
                     {"operation", step.operation.str()},
                     {"layers", step.layers},
                     {"cost_ms", step.cost_ms},
                     {"inputs", inputs.is_discarded() ? Json::array() : std::move(inputs)},
                     {"created", step.created}});
  }
  const Json json{
      {"schema", kSchema}, {"keys", key_schema()}, {"layers", std::move(layers)}, {"steps", std::move(steps)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

CacheDocument parse_cache(std::string_view text) {
  oci::guard_json(text, "the cache's list of steps");
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    refuse("it is no JSON object");
  }
  if (text_of(json, "schema") != kSchema || text_of(json, "keys") != key_schema()) {
    throw Error(ErrorKind::unsupported, "the cache was written by another version of this program");
  }
  CacheDocument document;
  for (const auto& layer : list_of(json, "layers")) {
    document.layers.push_back(parse_layer(layer));
  }
  for (const auto& step : list_of(json, "steps")) {
    document.steps.push_back(parse_step(step, document.layers.size()));
  }
  return document;
}

}  // namespace dlc::build
