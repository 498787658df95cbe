#pragma once
// What layout directories and archives have in common. Internal to registry.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "registry/layout.h"

namespace dlc::registry {

/// The content of the file oci-layout. Error(invalid/unsupported) unless it says a version we read.
void check_layout_version(const std::string& text, const std::string& place);
/// The names an index entry has: containerd's full one first, then the ref name.
[[nodiscard]] std::vector<std::string> names_of(const oci::Descriptor& descriptor);
/// What an index.json lists: images (all that is no referrer), and by subject what belongs to them.
struct LayoutEntries {
  std::vector<oci::Descriptor> images;
  std::map<oci::Digest, std::vector<oci::Descriptor>> referrers;

  [[nodiscard]] std::vector<oci::Descriptor> referrers_of(const oci::Digest& subject) const {
    const auto found = referrers.find(subject);
    return found == referrers.end() ? std::vector<oci::Descriptor>() : found->second;
  }
};
/// `read` gives the bytes of a manifest, checked, or throws Error. An entry that has a name or cannot be read counts as
/// an image; one without a name is listed once, however often it stands there, and of those the first thousand are
/// read.
[[nodiscard]] LayoutEntries sort_entries(const oci::Index& index,
                                         const std::function<std::string(const oci::Descriptor&)>& read);
/// The entry that a layout reference means; see `open_layout`.
[[nodiscard]] oci::Descriptor pick_from_index(const LayoutReference& reference, const oci::Index& index,
                                              const std::string& index_text, const std::string& place);
[[nodiscard]] std::vector<StoredImage> open_layout_images(const std::filesystem::path& directory);
[[nodiscard]] std::vector<StoredImage> open_archive_images(const std::filesystem::path& file,
                                                           const std::filesystem::path& scratch);

}  // namespace dlc::registry
