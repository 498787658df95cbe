#pragma once
// What layout directories and archives have in common. Internal to registry.
#include <string>
#include <vector>

#include "registry/layout.h"

namespace dlc::registry {

/// The content of the file oci-layout. Error(invalid/unsupported) unless it says a version we read.
void check_layout_version(const std::string& text, const std::string& place);
/// The names an index entry has: containerd's full one first, then the ref name.
[[nodiscard]] std::vector<std::string> names_of(const oci::Descriptor& descriptor);
/// The entry that a layout reference means; see `open_layout`.
[[nodiscard]] oci::Descriptor pick_from_index(const LayoutReference& reference, const oci::Index& index,
                                              const std::string& index_text, const std::string& place);
[[nodiscard]] std::vector<StoredImage> open_layout_images(const std::filesystem::path& directory);
[[nodiscard]] std::vector<StoredImage> open_archive_images(const std::filesystem::path& file,
                                                           const std::filesystem::path& scratch);

}  // namespace dlc::registry
