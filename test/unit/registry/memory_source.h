#pragma once
// An image in memory, for tests of what reads and writes images.
#include <map>
#include <string>

#include "base/error.h"
#include "codec/sinks.h"
#include "registry/source.h"

namespace dlc::testing {

inline oci::Descriptor describe(std::string_view media_type, const std::string& text) {
  oci::Descriptor result;
  result.media_type = media_type;
  result.digest = codec::sha256(text);
  result.size = text.size();
  return result;
}

/// Layers are plain text, not tars: nothing here unpacks them.
struct TestImage {
  explicit TestImage(const std::vector<std::string>& layer_texts, const std::string& architecture = "amd64") {
    config.platform = {"linux", architecture, ""};
    for (const auto& text : layer_texts) {
      const auto layer = describe(oci::kLayerType, text);
      config.diff_ids.push_back(layer.digest);
      manifest.layers.push_back(layer);
      blobs[layer.digest] = text;
    }
    const auto config_text = oci::to_json(config);
    manifest.config = describe(oci::kConfigType, config_text);
    blobs[manifest.config.digest] = config_text;
    const auto text = oci::to_json(manifest);
    root = describe(oci::kManifestType, text);
    blobs[root.digest] = text;
  }
  oci::ImageConfig config;
  oci::Manifest manifest;
  oci::Descriptor root;
  std::map<oci::Digest, std::string> blobs;
};

class MemoryImageSource : public registry::ImageSource {
 public:
  explicit MemoryImageSource(const TestImage& image) : root_(image.root), blobs_(image.blobs) {}
  /// An index over several images.
  explicit MemoryImageSource(const std::vector<TestImage>& images) {
    oci::Index index;
    for (const auto& image : images) {
      auto entry = image.root;
      entry.platform = image.config.platform;
      index.manifests.push_back(entry);
      blobs_.insert(image.blobs.begin(), image.blobs.end());
    }
    const auto text = oci::to_json(index);
    root_ = describe(oci::kIndexType, text);
    blobs_[root_.digest] = text;
  }
  [[nodiscard]] std::string place() const override { return "memory"; }
  [[nodiscard]] oci::Descriptor resolve() override { return root_; }
  [[nodiscard]] std::string manifest(const oci::Descriptor& descriptor) override { return find(descriptor.digest); }
  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    out.write(codec::bytes_of(find(descriptor.digest)));
  }

 private:
  const std::string& find(const oci::Digest& digest) {
    const auto it = blobs_.find(digest);
    if (it == blobs_.end()) {
      throw Error(ErrorKind::not_found, "memory has no " + digest.str());
    }
    return it->second;
  }
  oci::Descriptor root_;
  std::map<oci::Digest, std::string> blobs_;
};

}  // namespace dlc::testing
