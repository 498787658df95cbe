#include "registry/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "codec/sinks.h"

namespace dlc::registry {

std::string read_blob(ImageSource& source, const oci::Descriptor& descriptor, std::size_t limit) {
  if (descriptor.size > limit) {
    throw Error(ErrorKind::invalid, fmt::format("{}: blob {} has {} bytes, at most {} were expected", source.place(),
                                                descriptor.digest.str(), descriptor.size, limit));
  }
  codec::StringSink sink(limit);
  source.copy_blob(descriptor, sink);
  return sink.take();
}

const oci::Descriptor& select_platform(const oci::Index& index, const oci::Platform& wanted, const std::string& what) {
  const oci::Descriptor* without_platform = nullptr;
  std::string offered;
  for (const auto& entry : index.manifests) {
    const bool image = entry.media_type.empty() || oci::is_manifest_type(entry.media_type);
    if (!image || (entry.platform && entry.platform->os == "unknown")) {  // "unknown": an attestation of BuildKit's
      continue;
    }
    if (!entry.platform || entry.platform->architecture.empty()) {
      without_platform = without_platform != nullptr ? without_platform : &entry;
      continue;
    }
    if (oci::same_platform(*entry.platform, wanted)) {
      return entry;
    }
    offered += (offered.empty() ? "" : ", ") + oci::to_string(*entry.platform);
  }
  if (without_platform != nullptr) {
    return *without_platform;
  }
  throw Error(ErrorKind::not_found, fmt::format("{} has no image for {}", what, oci::to_string(wanted)))
      .hint(offered.empty() ? "its index lists no image at all" : "it has " + offered);
}

void check_manifest(const oci::Descriptor& descriptor, const std::string& text, const std::string& place) {
  if (descriptor.size != 0 && text.size() != descriptor.size) {
    throw Error(ErrorKind::corrupt, fmt::format("{}: manifest {} has {} bytes, its descriptor says {}", place,
                                                descriptor.digest.str(), text.size(), descriptor.size));
  }
  if (const auto found = codec::sha256(text); found != descriptor.digest) {
    throw Error(ErrorKind::corrupt,
                fmt::format("{}: manifest {} has the content {}", place, descriptor.digest.str(), found.str()));
  }
  const auto kind = oci::document_kind(text);
  const bool announced_index = oci::is_index_type(descriptor.media_type);
  const bool announced = announced_index || oci::is_manifest_type(descriptor.media_type);
  if (announced && announced_index != (kind == oci::DocumentKind::index)) {
    throw Error(ErrorKind::invalid, fmt::format("{}: {} was announced as \"{}\" but is something else", place,
                                                descriptor.digest.str(), descriptor.media_type));
  }
}

namespace {

std::string manifest_text(ImageSource& source, const oci::Descriptor& descriptor) {
  auto text = source.manifest(descriptor);
  check_manifest(descriptor, text, source.place());
  return text;
}

}  // namespace

ImageDocuments read_image(ImageSource& source, const oci::Platform& platform, const oci::Descriptor* root) {
  constexpr int kMaxIndexes = 4;  // an index may list indexes
  ImageDocuments result;
  result.root = root != nullptr ? *root : source.resolve();
  result.descriptor = result.root;
  result.manifest_text = manifest_text(source, result.descriptor);
  for (int depth = 0; oci::document_kind(result.manifest_text) == oci::DocumentKind::index; ++depth) {
    if (depth == kMaxIndexes) {
      throw Error(ErrorKind::invalid, source.place() + ": indexes are nested too deeply");
    }
    const auto index = oci::parse_index(result.manifest_text);
    result.descriptor = select_platform(index, platform, source.place());
    result.manifest_text = manifest_text(source, result.descriptor);
  }
  result.manifest = oci::parse_manifest(result.manifest_text);
  result.config_text = read_blob(source, result.manifest.config);
  result.config = oci::parse_config(result.config_text);
  oci::check_image(result.manifest, result.config);
  return result;
}

}  // namespace dlc::registry
