#pragma once
// Writes images to files that Docker, podman, skopeo, containerd and umoci read. The same images give the same bytes.
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "codec/stream.h"
#include "oci/image.h"
#include "registry/source.h"

namespace dlc::registry {

struct ExportedImage {
  ImageSource* source = nullptr;   ///< its `resolve` says what is exported: a manifest, or an index with all it lists
  std::vector<std::string> names;  ///< full references ("docker.io/library/app:1"); may be empty
  std::map<std::string, std::string> annotations{};  ///< of its entry in index.json
  bool referrers = true;  ///< what belongs to it too: entries of index.json with an artifact type and no name
};

/// An OCI layout directory (made if missing). Blobs come first, index.json last, each by rename: a reader never sees a
/// half one. An image that is there under the same name is replaced, others stay; blobs are never removed. Where it
/// fails, what it made is taken away again.
void write_layout(const std::filesystem::path& directory, std::span<const ExportedImage> images);

/// A tar that is an OCI layout and a docker-archive (manifest.json, repositories) in one, so that `docker load`,
/// `podman load`, `skopeo` and `ctr image import` take it. For an index, manifest.json names the entry of this
/// machine's platform (or the first).
void write_archive(codec::Sink& out, std::span<const ExportedImage> images);
/// The same into a file that the user named (base/output_file.h): nothing is left behind where it fails.
void write_archive_file(const std::filesystem::path& file, std::span<const ExportedImage> images);

}  // namespace dlc::registry
