// The images of a tar: an OCI layout in it, else what `docker save` writes (moby image/spec v1.2, "Combined Image
// JSON + Filesystem Changeset Format").
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "codec/sinks.h"
#include "oci/json_guard.h"
#include "registry/archive.h"
#include "registry/layout_names.h"
#include "registry/verify.h"

namespace dlc::registry {

namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

std::string blob_name(const oci::Digest& digest) {
  return "blobs/sha256/" + digest.hex();
}

std::string archive_place(const TarArchive& archive) {
  return "OCI archive " + archive.name();
}

std::string read_manifest(const TarArchive& archive, const oci::Descriptor& descriptor) {
  auto text = archive.read(blob_name(descriptor.digest), oci::kMaxDocument);
  check_manifest(descriptor, text, archive_place(archive));
  return text;
}

/// An image of an OCI layout inside a tar.
class OciArchiveSource : public ImageSource {
 public:
  OciArchiveSource(std::shared_ptr<const TarArchive> archive, oci::Descriptor root,
                   std::shared_ptr<const LayoutEntries> entries)
      : archive_(std::move(archive)), root_(std::move(root)), entries_(std::move(entries)) {}
  [[nodiscard]] std::string place() const override { return archive_place(*archive_); }
  [[nodiscard]] oci::Descriptor resolve() override { return root_; }
  [[nodiscard]] std::string manifest(const oci::Descriptor& descriptor) override {
    return read_manifest(*archive_, descriptor);
  }
  [[nodiscard]] std::vector<oci::Descriptor> referrers(const oci::Digest& subject) override {
    return entries_->referrers_of(subject);
  }
  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    const auto member = archive_->find(blob_name(descriptor.digest));
    if (!member) {
      throw Error(ErrorKind::not_found, fmt::format("{} lacks the blob {}", place(), descriptor.digest.str()));
    }
    VerifyingSink checked(out, descriptor, place());
    archive_->copy(*member, checked);
    checked.finish();
  }

 private:
  std::shared_ptr<const TarArchive> archive_;
  oci::Descriptor root_;
  std::shared_ptr<const LayoutEntries> entries_;
};

/// An image of a docker-archive. Its manifest is ours: the format has none, so layers are hashed when it is opened.
class DockerArchiveSource : public ImageSource {
 public:
  DockerArchiveSource(std::shared_ptr<const TarArchive> archive, const std::string& config,
                      const std::vector<std::string>& layers)
      : archive_(std::move(archive)) {
    oci::Manifest manifest;
    manifest.config = add(config, std::string(oci::kConfigType));
    for (const auto& layer : layers) {
      manifest.layers.push_back(add(layer, {}));
    }
    text_ = oci::to_json(manifest);
    root_.media_type = manifest.media_type;
    root_.digest = codec::sha256(text_);
    root_.size = text_.size();
  }
  [[nodiscard]] std::string place() const override { return "archive " + archive_->name(); }
  [[nodiscard]] oci::Descriptor resolve() override { return root_; }
  [[nodiscard]] std::string manifest(const oci::Descriptor& descriptor) override {
    check_manifest(descriptor, text_, place());
    return text_;
  }
  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    const auto it = members_.find(descriptor.digest);
    if (it == members_.end()) {
      throw Error(ErrorKind::not_found, fmt::format("{} lacks the blob {}", place(), descriptor.digest.str()));
    }
    VerifyingSink checked(out, descriptor, place());
    archive_->copy(it->second, checked);
    checked.finish();
  }

 private:
  /// Hashes a member; without a media type it is a layer, whose compression its first bytes tell.
  oci::Descriptor add(const std::string& name, std::string media_type) {
    const auto member = archive_->find(name);
    if (!member) {
      throw Error(ErrorKind::invalid,
                  fmt::format("{} names the member {} but does not hold it", DockerArchiveSource::place(), name));
    }
    if (media_type.empty()) {
      codec::StringSink head;
      archive_->copy({member->offset, std::min<std::uint64_t>(member->size, 4)}, head);
      const auto& magic = head.text();
      media_type = magic.starts_with("\x1f\x8b")           ? oci::kLayerGzipType
                   : magic.starts_with("\x28\xb5\x2f\xfd") ? oci::kLayerZstdType
                                                           : oci::kLayerType;
    }
    codec::HashSink hash;
    archive_->copy(*member, hash);
    hash.finish();
    members_.emplace(hash.digest(), *member);
    oci::Descriptor result;
    result.media_type = std::move(media_type);
    result.digest = hash.digest();
    result.size = hash.size();
    return result;
  }

  std::shared_ptr<const TarArchive> archive_;
  std::map<oci::Digest, TarArchive::Member> members_;
  std::string text_;
  oci::Descriptor root_;
};

std::vector<std::string> strings(const Json& object, const char* name, const std::string& place) {
  std::vector<std::string> result;
  const auto it = object.find(name);
  if (it == object.end() || it->is_null()) {
    return result;
  }
  for (const auto& item : *it) {
    if (!it->is_array() || !item.is_string()) {
      throw Error(ErrorKind::invalid, fmt::format("{}: \"{}\" in manifest.json is no list of strings", place, name));
    }
    result.push_back(item.get<std::string>());
  }
  return result;
}

std::vector<StoredImage> docker_images(const std::shared_ptr<const TarArchive>& archive) {
  const auto text = archive->read("manifest.json", oci::kMaxDocument);
  oci::guard_json(text, archive->name() + ": manifest.json");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array()) {
    throw Error(ErrorKind::invalid, archive->name() + ": manifest.json is no list");
  }
  std::vector<StoredImage> result;
  for (const auto& item : json) {
    const bool good = item.is_object() && item.contains("Config") && item["Config"].is_string();
    if (!good) {
      throw Error(ErrorKind::invalid, archive->name() + ": an entry of manifest.json has no Config");
    }
    auto source = std::make_shared<DockerArchiveSource>(archive, item["Config"].get<std::string>(),
                                                        strings(item, "Layers", archive->name()));
    result.push_back({strings(item, "RepoTags", archive->name()), std::move(source)});
  }
  return result;
}

}  // namespace

std::vector<StoredImage> open_archive_images(const fs::path& file, const fs::path& scratch) {
  const auto archive = std::make_shared<const TarArchive>(file, scratch);
  if (archive->find("oci-layout") && archive->find("index.json")) {
    check_layout_version(archive->read("oci-layout", 4096), archive->name());
    const auto index = oci::parse_index(archive->read("index.json", oci::kMaxDocument));
    const auto entries = std::make_shared<const LayoutEntries>(
        sort_entries(index, [&](const auto& entry) { return read_manifest(*archive, entry); }));
    std::vector<StoredImage> result;
    for (const auto& entry : entries->images) {
      result.push_back({names_of(entry), std::make_shared<OciArchiveSource>(archive, entry, entries)});
    }
    return result;
  }
  if (!archive->find("manifest.json")) {
    throw Error(ErrorKind::invalid, archive->name() + " holds no image: neither index.json nor manifest.json is in it")
        .hint("expected the output of docker save, skopeo copy or dlc image save");
  }
  return docker_images(archive);
}

std::vector<StoredImage> open_images(const fs::path& path, const fs::path& scratch) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? open_layout_images(path) : open_archive_images(path, scratch);
}

}  // namespace dlc::registry
