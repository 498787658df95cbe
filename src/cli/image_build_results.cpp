#include "cli/image_build_results.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/output_file.h"
#include "cli/json_text.h"
#include "oci/reference.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

/// As buildx writes it: what an exporter says of the image, not only what a manifest's descriptor may hold.
Json descriptor_json(const oci::Descriptor& root, const std::vector<build::TargetResult>& results,
                     store::Store& store) {
  Json annotations = root.annotations;
  if (results.size() == 1) {
    const auto manifest = oci::parse_manifest(store.blobs().read(root.digest));
    annotations["config.digest"] = manifest.config.digest.str();
    annotations["org.opencontainers.image.created"] =
        oci::parse_config(store.blobs().read(manifest.config.digest)).created;
  }
  Json json{{"mediaType", root.media_type}, {"digest", root.digest.str()}, {"size", root.size}};
  if (!annotations.empty()) {
    json["annotations"] = std::move(annotations);
  }
  if (root.platform) {
    json["platform"] = {{"architecture", root.platform->architecture}, {"os", root.platform->os}};
    if (!root.platform->variant.empty()) {
      json["platform"]["variant"] = root.platform->variant;
    }
  }
  return json;
}

}  // namespace

std::vector<std::string> all_names(const ImageBuildRequest& request) {
  auto names = request.tags;
  for (const auto& output : request.outputs) {
    for (const auto& name : output.names) {
      auto full = oci::parse_reference(name).str();
      if (std::ranges::find(names, full) == names.end()) {
        names.push_back(std::move(full));
      }
    }
  }
  return names;
}

namespace {

/// Calls `work` with the file; its errors name the option.
template <typename Work>
void for_option(const std::string& option, const std::string& file, const Work& work) {
  try {
    work(file);
  } catch (Error& error) {
    error.context("--" + option + " " + file);
    throw;
  }
}

void write_result(const std::string& option, const std::string& file, const std::string& text) {
  for_option(option, file, [&text](const std::string& name) { write_output_file(name, text); });
}

}  // namespace

void check_result_files(const ImageBuildRequest& request) {
  if (!request.iidfile.empty()) {
    for_option("iidfile", request.iidfile, check_output_file);
  }
  if (!request.metadata_file.empty()) {
    for_option("metadata-file", request.metadata_file, check_output_file);
  }
}

void write_result_files(const ImageBuildRequest& request, const oci::Descriptor& root,
                        const std::vector<build::TargetResult>& results, store::Store& store) {
  if (!request.iidfile.empty()) {
    write_result("iidfile", request.iidfile, root.digest.str());
  }
  if (request.metadata_file.empty()) {
    return;
  }
  Json json = Json::object();
  if (std::ranges::any_of(request.outputs, [](const auto& output) { return build::names_image(output.type); })) {
    if (results.size() == 1) {
      json["containerimage.config.digest"] = oci::parse_manifest(store.blobs().read(root.digest)).config.digest.str();
    }
    json["containerimage.descriptor"] = descriptor_json(root, results, store);
    json["containerimage.digest"] = root.digest.str();
  }
  std::string names;
  for (const auto& name : all_names(request)) {
    names += (names.empty() ? "" : ",") + name;
  }
  if (!names.empty()) {
    json["image.name"] = names;
  }
  write_result("metadata-file", request.metadata_file, json_text(json));
}

}  // namespace dlc::cli
