#pragma once
// Images in files: an OCI layout directory (image-spec image-layout.md), the same in a tar, and the tar of
// `docker save`.
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/source.h"

namespace dlc::registry {

/// One image of a file or directory, and the names it has there.
struct StoredImage {
  std::vector<std::string> names;  ///< full references where the file has them, else bare tags; may be empty
  std::shared_ptr<ImageSource> source;
};

/// "oci-layout://DIR[:tag|@digest]" or the same without the scheme. A directory whose own name holds ":" or "@" wins.
struct LayoutReference {
  std::filesystem::path directory;
  std::string tag;  ///< empty: not given
  std::optional<oci::Digest> digest;
};
[[nodiscard]] LayoutReference parse_layout_reference(std::string_view text);

/// The image of a layout directory. Without tag and digest: the only one, else the one called "latest", else (where no
/// entry has a name) the whole index. Error(not_found) that lists the names, Error(invalid) where it is no layout.
[[nodiscard]] std::unique_ptr<ImageSource> open_layout(const LayoutReference& reference);

/// All images of a layout directory, an OCI tar or a docker-archive tar, plain or compressed. `scratch` is an existing
/// directory for unpacking a compressed archive; what is made there is removed with the last source.
[[nodiscard]] std::vector<StoredImage> open_images(const std::filesystem::path& path,
                                                   const std::filesystem::path& scratch);

}  // namespace dlc::registry
