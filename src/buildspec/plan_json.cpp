#include <nlohmann/json.hpp>

#include "buildspec/plan.h"

namespace dlc::buildspec {

namespace {

using Json = nlohmann::ordered_json;

template <class Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json object_of(const Pairs& pairs) {
  Json object = Json::object();
  for (const auto& [key, value] : pairs) {
    object[key] = value;
  }
  return object;
}

Json image_json(const PlannedImage& image) {
  Json json;
  json["name"] = image.name;
  json["buildspec"] = image.buildspec;
  json["line"] = image.where.line;
  json["repository"] = image.repository;
  json["tag"] = image.tag;
  json["short_name"] = short_name(image);
  json["docker_file"] = image.docker_file;
  json["root"] = image.root;
  json["account_id"] = image.account_id;
  json["region"] = image.region;
  json["framework"] = image.framework;
  json["version"] = image.version;
  json["device_type"] = image.device_type;
  json["python_version"] = image.python_version;
  json["image_type"] = image.image_type;
  json["image_size_baseline"] = image.image_size_baseline;
  json["to_build"] = image.to_build;
  json["target"] = or_null(image.target);
  json["base"] = or_null(image.base);
  json["base_image_name"] = or_null(image.base_image_name);
  json["base_image_uri"] = or_null(image.base_image_uri);
  json["build_args"] = object_of(image.build_args);
  json["labels"] = object_of(image.labels);
  json["context"] = Json::array();
  for (const auto& entry : image.context) {
    json["context"].push_back({entry.source, entry.target});
  }
  json["downloads"] = Json::array();
  for (const auto& download : image.downloads) {
    json["downloads"].push_back({{"type", download.type}, {"uri", download.uri}, {"target", download.target}});
  }
  json["source_date_epoch"] = or_null(image.source_date_epoch);
  json["requires"] = image.needs;
  json["left_out"] = or_null(image.left_out);
  if (image.in_store) {
    json["in_store"] = {{"cached", image.in_store->cached},
                        {"total", image.in_store->total},
                        {"estimated_seconds", image.in_store->seconds},
                        {"estimate_complete", image.in_store->complete}};
  }
  return json;
}

}  // namespace

std::string to_json(const Plan& plan) {
  Json json;
  json["schema"] = 1;
  json["buildspecs"] = plan.buildspecs;
  json["images"] = Json::array();
  for (const auto& image : plan.images) {
    json["images"].push_back(image_json(image));
  }
  json["skipped"] = Json::array();
  for (const auto& image : plan.skipped) {
    json["skipped"].push_back({{"name", image.name}, {"reason", image.reason}});
  }
  json["operations"] = plan.operations;
  json["test_images"] = Json::object();
  for (const auto& [suite, references] : plan.test_images) {
    json["test_images"][suite] = references;
  }
  json["outcome"] = "planned";
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dlc::buildspec
