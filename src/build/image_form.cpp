#include "build/image_form.h"

#include <algorithm>

#include "base/error.h"

namespace dlc::build {

namespace {

constexpr std::string_view kDockerLayerType = "application/vnd.docker.image.rootfs.diff.tar";

std::string_view type_of(codec::Compression kind, bool docker) {
  switch (kind) {
    case codec::Compression::gzip:
      return docker ? oci::kDockerLayerGzipType : oci::kLayerGzipType;
    case codec::Compression::zstd:
      return oci::kLayerZstdType;  // Docker's types have no word for it
    case codec::Compression::none:
      break;
  }
  return docker ? kDockerLayerType : oci::kLayerType;
}

std::string docker_layer_type(const std::string& type) {
  if (type == oci::kLayerGzipType) {
    return std::string(oci::kDockerLayerGzipType);
  }
  return type == oci::kLayerType ? std::string(kDockerLayerType) : type;
}

void pack_layers(oci::Manifest& manifest, const BuiltPlatform& built, const ImageForm& form, store::Store& store) {
  const auto config = oci::parse_config(store.blobs().read(manifest.config.digest));
  codec::Digest chain;
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    chain = oci::chain_id(chain, config.diff_ids.at(i));
    auto& layer = manifest.layers[i];
    const bool wanted = form.compression && (form.all_layers || i >= built.base_layers);
    // A layer that is packed so already stays, unless a level was asked for.
    if (wanted && (layer.media_type != type_of(form.compression->kind, false) || form.compression->level != 0)) {
      const auto packed = store.layers().recompress(chain, *form.compression);
      layer.digest = packed.blob;
      layer.size = packed.blob_size;
      layer.media_type = type_of(form.compression->kind, false);
    }
    if (form.docker_types) {
      layer.media_type = docker_layer_type(layer.media_type);
    }
  }
}

bool applies(const Annotation& annotation, Annotation::Level level, const oci::Platform& platform) {
  return annotation.level == level && (!annotation.platform || oci::same_platform(*annotation.platform, platform));
}

void annotate(std::map<std::string, std::string>& annotations, const ImageForm& form, Annotation::Level level,
              const oci::Platform& platform) {
  for (const auto& annotation : form.annotations) {
    if (applies(annotation, level, platform)) {
      annotations[annotation.key] = annotation.value;
    }
  }
}

oci::Descriptor put_document(const std::string& text, std::string_view type, store::Store& store) {
  oci::Descriptor descriptor;
  descriptor.media_type = type;
  descriptor.digest = store.blobs().put(text);
  descriptor.size = text.size();
  return descriptor;
}

oci::Descriptor form_manifest(const BuiltPlatform& built, const ImageForm& form, store::Store& store) {
  auto manifest = oci::parse_manifest(store.blobs().read(built.manifest.digest));
  pack_layers(manifest, built, form, store);
  annotate(manifest.annotations, form, Annotation::Level::manifest, built.platform);
  const bool docker = form.docker_types && manifest.annotations.empty();
  if (docker) {
    manifest.media_type = oci::kDockerManifestType;
    manifest.config.media_type = oci::kDockerConfigType;
  }
  auto descriptor = put_document(oci::to_json(manifest), manifest.media_type, store);
  descriptor.platform = built.platform;
  annotate(descriptor.annotations, form, Annotation::Level::manifest_descriptor, built.platform);
  return descriptor;
}

/// Docker's media types cannot say everything.
ImageForm settled(const ImageForm& form) {
  auto result = form;
  const bool zstd = form.compression && form.compression->kind == codec::Compression::zstd;
  result.docker_types = form.docker_types && form.annotations.empty() && !zstd;
  return result;
}

bool is_of_index(const Annotation& annotation) {
  return annotation.level == Annotation::Level::index || annotation.level == Annotation::Level::index_descriptor;
}

}  // namespace

oci::Descriptor form_image(std::span<const BuiltPlatform> platforms, const ImageForm& wanted, store::Store& store) {
  const auto form = settled(wanted);
  if (platforms.size() == 1 && !form.index) {
    if (std::ranges::any_of(form.annotations, is_of_index)) {
      throw Error(ErrorKind::usage, "index annotations not supported for single platform export")
          .hint("an index is made where --platform names several platforms");
    }
    return form_manifest(platforms.front(), form, store);
  }
  oci::Index index;
  for (const auto& built : platforms) {
    index.manifests.push_back(form_manifest(built, form, store));
  }
  if (form.docker_types) {
    index.media_type = oci::kDockerListType;
  }
  annotate(index.annotations, form, Annotation::Level::index, {});
  auto descriptor = put_document(oci::to_json(index), index.media_type, store);
  annotate(descriptor.annotations, form, Annotation::Level::index_descriptor, {});
  return descriptor;
}

}  // namespace dlc::build
