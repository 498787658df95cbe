#pragma once
// The packages installed in an image: Debian's from dpkg's database, Python's from the metadata beside the modules. A
// damaged entry is left out or has empty fields; nothing here throws for what an image holds.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "contents/image_tree.h"

namespace dlc::contents {

struct DebianPackage {
  std::string name, version, architecture;
  std::string source, source_version;  ///< as its own where the source has the same
  std::string maintainer, homepage;
  std::vector<std::string> licenses;  ///< of a machine-readable copyright file, sorted
  bool has_copyright = false;         ///< usr/share/doc/NAME/copyright is there
};

/// var/lib/dpkg/status and status.d (distroless); sorted by name and architecture. Not those that are removed.
[[nodiscard]] std::vector<DebianPackage> debian_packages(const ImageTree& tree);
/// Every path that a Debian package owns, relative, with links in directories followed (lib -> usr/lib).
[[nodiscard]] std::set<std::string, std::less<>> debian_files(const ImageTree& tree);

struct PythonPackage {
  std::string name, version;
  std::string place;     ///< the metadata: a directory (dist-info, egg-info) or a file (egg-info)
  std::string metadata;  ///< the file that was read
  std::vector<std::string> requires_dist;
  std::string requires_python;
  std::string license;                     ///< License-Expression, else License on one line, else the classifiers'
  std::vector<std::string> license_files;  ///< paths of the image
  std::vector<std::string> files;          ///< of RECORD (installed-files.txt), paths of the image
  [[nodiscard]] std::string site() const { return std::string(directory_of(place)); }
};

/// Sorted by the directory they are installed in, then name. Those that a package carries for itself (_vendor) are left
/// out.
[[nodiscard]] std::vector<PythonPackage> python_packages(const ImageTree& tree);

/// PEP 503: "Foo.Bar_baz" -> "foo-bar-baz".
[[nodiscard]] std::string normalized_name(std::string_view name);

}  // namespace dlc::contents
