// OCI layout directories.
#include "registry/layout.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"
#include "codec/sinks.h"
#include "oci/artifact.h"
#include "oci/json_guard.h"
#include "oci/reference.h"
#include "registry/layout_names.h"
#include "registry/verify.h"

namespace dlc::registry {

namespace {

namespace fs = std::filesystem;

fs::path blob_path(const fs::path& directory, const oci::Digest& digest) {
  return directory / "blobs" / "sha256" / digest.hex();
}

std::string layout_place(const fs::path& directory) {
  return "OCI layout " + directory.string();
}

std::string read_manifest(const fs::path& directory, const oci::Descriptor& descriptor) {
  auto text = read_file(blob_path(directory, descriptor.digest), oci::kMaxDocument);
  check_manifest(descriptor, text, layout_place(directory));
  return text;
}

std::shared_ptr<const LayoutEntries> entries_of(const fs::path& directory, const oci::Index& index) {
  return std::make_shared<const LayoutEntries>(
      sort_entries(index, [&](const auto& entry) { return read_manifest(directory, entry); }));
}

class LayoutSource : public ImageSource {
 public:
  using Entries = std::shared_ptr<const LayoutEntries>;
  /// `whole`: the bytes of index.json where the image is the whole index, which is no blob.
  LayoutSource(fs::path directory, oci::Descriptor root, Entries entries, std::string whole = {})
      : directory_(std::move(directory)),
        root_(std::move(root)),
        entries_(std::move(entries)),
        whole_(std::move(whole)) {}

  [[nodiscard]] std::string place() const override { return layout_place(directory_); }
  [[nodiscard]] oci::Descriptor resolve() override { return root_; }
  [[nodiscard]] std::string manifest(const oci::Descriptor& descriptor) override {
    if (!whole_.empty() && descriptor.digest == root_.digest) {
      check_manifest(descriptor, whole_, place());
      return whole_;
    }
    return read_manifest(directory_, descriptor);
  }
  [[nodiscard]] std::vector<oci::Descriptor> referrers(const oci::Digest& subject) override {
    return entries_->referrers_of(subject);
  }
  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    const auto path = blob_path(directory_, descriptor.digest);
    const UniqueFd file = open_file(path.string(), O_RDONLY);
    codec::FdSource in(file.get(), path.string());
    VerifyingSink checked(out, descriptor, place());
    codec::copy(in, checked);
    checked.finish();
  }

 private:
  fs::path directory_;
  oci::Descriptor root_;
  Entries entries_;
  std::string whole_;
};

std::string read_index_text(const fs::path& directory) {
  std::error_code ignored;
  if (!fs::exists(directory / "oci-layout", ignored)) {
    throw Error(fs::exists(directory, ignored) ? ErrorKind::invalid : ErrorKind::not_found,
                directory.string() + " is no OCI layout: it has no file oci-layout");
  }
  check_layout_version(read_file(directory / "oci-layout", 4096), directory.string());
  return read_file(directory / "index.json", oci::kMaxDocument);
}

}  // namespace

void check_layout_version(const std::string& text, const std::string& place) {
  oci::guard_json(text, place + ": oci-layout", 4096);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const bool good = json.is_object() && json.contains("imageLayoutVersion") && json["imageLayoutVersion"].is_string();
  if (!good) {
    throw Error(ErrorKind::invalid, place + ": the file oci-layout has no imageLayoutVersion");
  }
  const auto version = json["imageLayoutVersion"].get<std::string>();
  if (!version.starts_with("1.")) {
    throw Error(ErrorKind::unsupported,
                fmt::format("{} has the OCI layout version {}, this program knows 1.x", place, version.substr(0, 40)));
  }
}

std::vector<std::string> names_of(const oci::Descriptor& descriptor) {
  std::vector<std::string> result;
  for (const char* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
    const auto it = descriptor.annotations.find(key);
    if (it != descriptor.annotations.end() && !it->second.empty()) {
      result.push_back(it->second);
    }
  }
  return result;
}

LayoutEntries sort_entries(const oci::Index& index, const std::function<std::string(const oci::Descriptor&)>& read) {
  constexpr std::size_t kMost = 1000;  // entries that are looked into: a layout may be hostile
  LayoutEntries result;
  std::set<oci::Digest> seen;
  for (const auto& entry : index.manifests) {
    std::optional<oci::Manifest> manifest;
    if (names_of(entry).empty() && !seen.insert(entry.digest).second) {
      continue;
    }
    if (names_of(entry).empty() && oci::is_manifest_type(entry.media_type) && seen.size() <= kMost) {
      try {
        manifest = oci::parse_manifest(read(entry));
      } catch (const Error&) {  // who asks for the image is told
      }
    }
    if (manifest && oci::is_referrer(*manifest)) {
      result.referrers[manifest->subject->digest].push_back(oci::referrer_entry(*manifest, entry));
    } else {
      result.images.push_back(entry);
    }
  }
  return result;
}

namespace {

/// Whether the entry goes by `tag`: its name is the tag, or a reference with that tag, or the same reference.
bool has_name(const oci::Descriptor& entry, const std::string& tag) {
  const auto names = names_of(entry);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const bool suffix = name.size() > tag.size() && name.ends_with(tag) && name[name.size() - tag.size() - 1] == ':';
    return name == tag || suffix;
  });
}

std::string known_names(const oci::Index& index) {
  std::string result;
  for (const auto& entry : index.manifests) {
    const auto names = names_of(entry);
    if (!names.empty()) {
      result += (result.empty() ? "it has " : ", ") + names.back();
    }
  }
  return result.empty() ? fmt::format("it has {} images without names", index.manifests.size()) : result;
}

bool same_image(const std::vector<const oci::Descriptor*>& entries) {
  return std::all_of(entries.begin(), entries.end(),
                     [&](const auto* entry) { return entry->digest == entries.front()->digest; });
}

}  // namespace

LayoutReference parse_layout_reference(std::string_view text) {
  constexpr std::string_view kScheme = "oci-layout://";
  if (text.starts_with(kScheme)) {
    text.remove_prefix(kScheme.size());
  }
  LayoutReference result;
  std::error_code ignored;
  if (fs::is_directory(fs::path(text), ignored)) {
    result.directory = text;
    return result;
  }
  if (const auto at = text.rfind("@sha"); at != std::string_view::npos) {
    result.digest = oci::Digest::parse(text.substr(at + 1));
    text = text.substr(0, at);
  }
  if (const auto colon = text.rfind(':');
      colon != std::string_view::npos && text.find('/', colon) == std::string_view::npos) {
    result.tag = text.substr(colon + 1);
    if (!oci::is_tag(result.tag)) {
      throw Error(ErrorKind::invalid, fmt::format("\"{}\" is no tag of an OCI layout", result.tag));
    }
    text = text.substr(0, colon);
  }
  if (text.empty()) {
    throw Error(ErrorKind::invalid, "an OCI layout needs a directory").hint("expected oci-layout://DIR[:tag|@digest]");
  }
  result.directory = text;
  return result;
}

oci::Descriptor pick_from_index(const LayoutReference& reference, const oci::Index& index,
                                const std::string& index_text, const std::string& place) {
  std::vector<const oci::Descriptor*> found;
  for (const auto& entry : index.manifests) {
    const bool match = (!reference.digest || entry.digest == *reference.digest) &&
                       (reference.tag.empty() || reference.digest || has_name(entry, reference.tag));
    if (match) {
      found.push_back(&entry);
    }
  }
  if (reference.digest && found.empty()) {  // an entry of an index inside, or a manifest that no index names
    oci::Descriptor bare;
    bare.digest = *reference.digest;
    return bare;
  }
  if (!found.empty() && same_image(found)) {
    return *found.front();
  }
  if (reference.tag.empty() && !found.empty()) {
    const auto latest =
        std::find_if(found.begin(), found.end(), [](const auto* one) { return has_name(*one, "latest"); });
    if (latest != found.end()) {
      return **latest;
    }
    if (std::all_of(found.begin(), found.end(), [](const auto* one) { return names_of(*one).empty(); })) {
      oci::Descriptor whole;
      whole.media_type = oci::kIndexType;
      whole.digest = codec::sha256(index_text);
      whole.size = index_text.size();
      return whole;
    }
  }
  const auto wanted = reference.tag.empty() ? "which of its images is meant is not said" : "no image " + reference.tag;
  throw Error(ErrorKind::not_found, fmt::format("{}: {}", place, wanted)).hint(known_names(index));
}

std::unique_ptr<ImageSource> open_layout(const LayoutReference& reference) {
  auto text = read_index_text(reference.directory);
  auto index = oci::parse_index(text);
  auto entries = entries_of(reference.directory, index);
  index.manifests = entries->images;
  auto root = pick_from_index(reference, index, text, layout_place(reference.directory));
  const bool whole = root.digest == codec::sha256(text);
  return std::make_unique<LayoutSource>(reference.directory, std::move(root), std::move(entries),
                                        whole ? std::move(text) : std::string());
}

std::vector<StoredImage> open_layout_images(const fs::path& directory) {
  const auto entries = entries_of(directory, oci::parse_index(read_index_text(directory)));
  std::vector<StoredImage> result;
  for (const auto& entry : entries->images) {
    result.push_back({names_of(entry), std::make_shared<LayoutSource>(directory, entry, entries)});
  }
  return result;
}

}  // namespace dlc::registry
