#include "registry/export.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/output_file.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "oci/json_guard.h"
#include "oci/reference.h"
#include "registry/layout_names.h"

namespace dlc::registry {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr const char* kRefName = "org.opencontainers.image.ref.name";
constexpr const char* kFullName = "io.containerd.image.name";

/// What has to be written for some images: documents by digest, blobs with where they come from, the index's entries.
struct Contents {
  struct Blob {
    ImageSource* source = nullptr;
    oci::Descriptor descriptor;
  };
  std::map<oci::Digest, std::string> documents;
  std::map<oci::Digest, Blob> blobs;
  std::vector<oci::Descriptor> entries;
  std::vector<oci::Descriptor> referrers;  ///< more entries, after those
  Json docker_manifest = Json::array();
};

std::string blob_name(const oci::Digest& digest) {
  return "blobs/sha256/" + digest.hex();
}

/// Takes in a manifest or index and all below it.
void collect(ImageSource& source, const oci::Descriptor& descriptor, Contents& contents, int depth = 0) {
  if (depth > 4) {
    throw Error(ErrorKind::invalid, source.place() + ": indexes are nested too deeply");
  }
  if (contents.documents.contains(descriptor.digest)) {
    return;
  }
  const auto text = source.manifest(descriptor);
  contents.documents.emplace(descriptor.digest, text);
  if (oci::document_kind(text) == oci::DocumentKind::index) {
    for (const auto& entry : oci::parse_index(text).manifests) {
      collect(source, entry, contents, depth + 1);
    }
    return;
  }
  const auto manifest = oci::parse_manifest(text);
  contents.blobs.emplace(manifest.config.digest, Contents::Blob{&source, manifest.config});
  for (const auto& layer : manifest.layers) {
    if (!oci::is_foreign_layer_type(layer.media_type)) {
      contents.blobs.emplace(layer.digest, Contents::Blob{&source, layer});
    }
  }
}

/// What belongs to the documents that were taken in, and to that.
void collect_referrers(ImageSource& source, Contents& contents) {
  std::vector<oci::Digest> subjects;
  for (const auto& [digest, text] : contents.documents) {
    subjects.push_back(digest);
  }
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    for (auto& entry : source.referrers(subjects[i])) {
      if (!contents.documents.contains(entry.digest)) {
        collect(source, entry, contents);
        subjects.push_back(entry.digest);
        contents.referrers.push_back(std::move(entry));
      }
    }
  }
}

/// The part of a full reference that goes into ref.name: the tag, as the image-spec asks.
std::string tag_of(const std::string& name) {
  const auto reference = oci::parse_reference(name);
  return reference.tag.empty() ? "latest" : reference.tag;
}

/// The manifest that docker-archive's manifest.json describes: of an index, this machine's platform or the first.
oci::Manifest docker_choice(const Contents& contents, const oci::Descriptor& root) {
  const std::string* text = &contents.documents.at(root.digest);
  while (oci::document_kind(*text) == oci::DocumentKind::index) {
    const auto index = oci::parse_index(*text);
    if (index.manifests.empty()) {
      throw Error(ErrorKind::invalid, "an empty index cannot be exported");
    }
    const auto match = std::find_if(index.manifests.begin(), index.manifests.end(), [](const auto& entry) {
      return entry.platform && oci::same_platform(*entry.platform, oci::host_platform());
    });
    text = &contents.documents.at((match == index.manifests.end() ? index.manifests.front() : *match).digest);
  }
  return oci::parse_manifest(*text);
}

Json docker_entry(const oci::Manifest& manifest, const std::vector<std::string>& names) {
  Json layers = Json::array();
  for (const auto& layer : manifest.layers) {
    layers.push_back(blob_name(layer.digest));
  }
  Json tags = Json::array();
  for (const auto& name : names) {
    tags.push_back(oci::parse_reference(name).familiar());
  }
  return {{"Config", blob_name(manifest.config.digest)}, {"RepoTags", tags}, {"Layers", layers}};
}

Contents collect_all(std::span<const ExportedImage> images, bool for_docker) {
  Contents contents;
  for (const auto& image : images) {
    auto root = image.source->resolve();
    collect(*image.source, root, contents);
    root.size = contents.documents.at(root.digest).size();
    if (!root.platform && !oci::is_index_type(root.media_type)) {
      const auto manifest = oci::parse_manifest(contents.documents.at(root.digest));
      if (manifest.artifact_type.empty()) {  // an artifact runs nowhere
        root.platform = oci::parse_config(read_blob(*image.source, manifest.config)).platform;
      }
    }
    root.annotations.insert(image.annotations.begin(), image.annotations.end());
    root.annotations.erase(kRefName);
    root.annotations.erase(kFullName);
    if (image.names.empty()) {
      contents.entries.push_back(root);
    }
    for (const auto& name : image.names) {
      auto entry = root;
      entry.annotations[kRefName] = tag_of(name);
      entry.annotations[kFullName] = oci::parse_reference(name).str();
      contents.entries.push_back(std::move(entry));
    }
    if (for_docker) {
      contents.docker_manifest.push_back(docker_entry(docker_choice(contents, root), image.names));
    }
    if (image.referrers) {
      collect_referrers(*image.source, contents);
    }
  }
  contents.entries.insert(contents.entries.end(), contents.referrers.begin(), contents.referrers.end());
  return contents;
}

/// Writes one file of a layout through a temporary name beside it.
void write_blob(const fs::path& path, ImageSource& source, const oci::Descriptor& descriptor) {
  std::error_code ignored;
  if (fs::exists(path, ignored) && fs::file_size(path, ignored) == descriptor.size) {
    return;  // content-addressed: the same bytes
  }
  std::string name = (path.parent_path() / ".blob-XXXXXX").string();
  UniqueFd file(::mkostemp(name.data(), O_CLOEXEC));
  if (!file) {
    throw system_error("create a file in " + path.parent_path().string());
  }
  try {
    codec::FdSink sink(file.get(), name);
    source.copy_blob(descriptor, sink);
    if (::fchmod(file.get(), 0644) != 0) {
      throw system_error("chmod " + name);
    }
    file.close(name);
    if (::rename(name.c_str(), path.c_str()) != 0) {
      throw system_error("rename " + name);
    }
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
}

/// The entries of an index.json that is there already, without those that get replaced.
std::vector<oci::Descriptor> kept_entries(const fs::path& directory, const std::vector<oci::Descriptor>& replacing) {
  std::error_code ignored;
  std::vector<oci::Descriptor> result;
  if (!fs::exists(directory / "index.json", ignored)) {
    return result;
  }
  for (auto& entry : oci::parse_index(read_file(directory / "index.json", oci::kMaxDocument)).manifests) {
    const auto names = names_of(entry);
    const bool replaced = std::any_of(replacing.begin(), replacing.end(), [&](const auto& other) {
      return names_of(other) == names && (!names.empty() || other.digest == entry.digest);
    });
    if (!replaced) {
      result.push_back(std::move(entry));
    }
  }
  return result;
}

std::string index_text(std::vector<oci::Descriptor> entries) {
  oci::Index index;
  index.manifests = std::move(entries);
  return oci::to_json(index);
}

void put_text(codec::TarWriter& tar, const std::string& path, std::string_view text) {
  codec::TarEntry entry;
  entry.path = path;
  entry.mode = 0644;
  entry.size = text.size();
  tar.begin(entry);
  tar.data(codec::bytes_of(text));
}

void put_directory(codec::TarWriter& tar, const std::string& path) {
  codec::TarEntry entry;
  entry.path = path;
  entry.type = codec::TarEntry::Type::directory;
  entry.mode = 0755;
  tar.begin(entry);
}

class TarDataSink : public codec::Sink {
 public:
  explicit TarDataSink(codec::TarWriter& tar) : tar_(tar) {}
  void write(std::span<const std::byte> bytes) override { tar_.data(bytes); }
  void finish() override {}

 private:
  codec::TarWriter& tar_;
};

/// Docker's old file of names: repository -> tag -> id of the top layer; only the names still matter.
std::string repositories_text(std::span<const ExportedImage> images, const Json& docker_manifest) {
  Json result = Json::object();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& layers = docker_manifest[i]["Layers"];
    const auto top = layers.empty() ? std::string() : fs::path(layers.back().get<std::string>()).filename().string();
    for (const auto& name : images[i].names) {
      auto reference = oci::parse_reference(name);
      const auto tag = std::exchange(reference.tag, {});
      reference.digest.reset();
      result[reference.familiar()][tag.empty() ? "latest" : tag] = top;
    }
  }
  return result.dump();
}

}  // namespace

namespace {

/// What was made so far, taken back unless it is all there.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) {
      std::error_code ignored;
      fs::remove(*path, ignored);  // a directory only where nobody put anything into it
    }
  }
  void keep() { made_.clear(); }

  void make_directories(const fs::path& path) {
    std::error_code failed;
    if (path.empty() || fs::is_directory(path, failed)) {
      return;
    }
    make_directories(path.parent_path());
    if (!fs::create_directory(path, failed) && failed) {
      throw system_error("create " + path.string(), failed.value());
    }
    made_.push_back(path);
  }
  /// Before a file is written there.
  void note(const fs::path& path) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      made_.push_back(path);
    }
  }

 private:
  std::vector<fs::path> made_;
};

}  // namespace

void write_layout(const fs::path& directory, std::span<const ExportedImage> images) {
  const auto contents = collect_all(images, false);
  Undo undo;
  undo.make_directories(directory / "blobs" / "sha256");
  for (const auto& [digest, blob] : contents.blobs) {
    undo.note(directory / blob_name(digest));
    write_blob(directory / blob_name(digest), *blob.source, blob.descriptor);
  }
  for (const auto& [digest, text] : contents.documents) {
    undo.note(directory / blob_name(digest));
    write_file_atomically(directory / blob_name(digest), text);
  }
  undo.note(directory / "oci-layout");
  auto entries = kept_entries(directory, contents.entries);
  entries.insert(entries.end(), contents.entries.begin(), contents.entries.end());
  write_file_atomically(directory / "oci-layout", kLayoutFile);
  write_file_atomically(directory / "index.json", index_text(std::move(entries)));
  undo.keep();
}

void write_archive(codec::Sink& out, std::span<const ExportedImage> images) {
  const auto contents = collect_all(images, true);
  codec::TarWriter tar(out);
  put_text(tar, "oci-layout", kLayoutFile);
  put_text(tar, "index.json", index_text(contents.entries));
  put_text(tar, "manifest.json", contents.docker_manifest.dump());
  put_text(tar, "repositories", repositories_text(images, contents.docker_manifest));
  put_directory(tar, "blobs");
  put_directory(tar, "blobs/sha256");
  for (const auto& [digest, text] : contents.documents) {
    put_text(tar, blob_name(digest), text);
  }
  for (const auto& [digest, blob] : contents.blobs) {
    codec::TarEntry entry;
    entry.path = blob_name(digest);
    entry.mode = 0644;
    entry.size = blob.descriptor.size;
    tar.begin(entry);
    TarDataSink data(tar);
    blob.source->copy_blob(blob.descriptor, data);
  }
  tar.finish();
}

void write_archive_file(const fs::path& file, std::span<const ExportedImage> images) {
  OutputFile out(file);
  codec::FdSink sink(out.fd(), out.name());
  write_archive(sink, images);
  sink.finish();
  out.commit();
}

}  // namespace dlc::registry
