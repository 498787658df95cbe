#include "oci/artifact.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "codec/base64.h"

namespace dlc::oci {

Manifest artifact_manifest(const Artifact& artifact, const Descriptor& subject) {
  Manifest manifest;
  manifest.artifact_type = artifact.type;
  manifest.config.media_type = kEmptyType;
  manifest.config.digest = codec::sha256(kEmptyContent);
  manifest.config.size = kEmptyContent.size();
  manifest.config.data = codec::base64_encode(kEmptyContent);
  Descriptor layer;
  layer.media_type = artifact.type;
  layer.digest = codec::sha256(artifact.content);
  layer.size = artifact.content.size();
  layer.annotations[kTitle] = artifact.title;  // the name of the file that ORAS and others make of it
  manifest.layers.push_back(std::move(layer));
  manifest.annotations[kTitle] = artifact.title;
  if (!artifact.created.empty()) {
    manifest.annotations[kCreated] = artifact.created;
  }
  manifest.subject.emplace();
  manifest.subject->media_type = subject.media_type;
  manifest.subject->digest = subject.digest;
  manifest.subject->size = subject.size;
  return manifest;
}

bool is_referrer(const Manifest& manifest) noexcept {
  return manifest.subject && manifest.config.media_type != kConfigType &&
         manifest.config.media_type != kDockerConfigType;
}

Descriptor referrer_entry(const Manifest& manifest, const Descriptor& descriptor) {
  Descriptor entry;
  entry.media_type = manifest.media_type;
  entry.digest = descriptor.digest;
  entry.size = descriptor.size;
  entry.artifact_type = manifest.artifact_type.empty() ? manifest.config.media_type : manifest.artifact_type;
  entry.annotations = manifest.annotations;
  return entry;
}

std::string referrers_tag(const Digest& subject) {
  return "sha256-" + subject.hex();
}

std::string with_referrer(std::string_view list, const Descriptor& entry) {
  Index added;
  added.manifests.push_back(entry);
  if (list.empty()) {
    return to_json(added);
  }
  const auto known = parse_index(list);  // guards what is parsed again below
  if (known.media_type != kIndexType) {
    throw Error(ErrorKind::invalid, "the list of referrers is no OCI image index");
  }
  if (std::ranges::any_of(known.manifests, [&](const auto& other) { return other.digest == entry.digest; })) {
    return std::string(list);
  }
  auto json = nlohmann::json::parse(list);  // not through Index, which would lose members that it does not know
  json["manifests"].push_back(nlohmann::json::parse(to_json(added))["manifests"][0]);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace dlc::oci
