#pragma once
// The bill of materials of an image: SPDX 2.3 and CycloneDX 1.6, in JSON. A function of the image alone: equal images
// give equal bytes. Debian's packages, Python's, and the programs and libraries that belong to none of them.
#include <string>
#include <string_view>
#include <vector>

#include "contents/loader.h"
#include "contents/packages.h"

namespace dlc::contents {

struct SbomSubject {
  std::string name;     ///< "pr-mxnet-training:1.9.1-cpu-py3-debian12"
  std::string digest;   ///< of the manifest, "sha256:..."
  std::string created;  ///< of the configuration, RFC 3339; anything else counts as 1970
  std::string architecture;
  std::string distribution;  ///< "debian-12", of etc/os-release
  std::vector<DebianPackage> debian;
  std::vector<PythonPackage> python;
  struct File {
    std::string path;
    std::string sha256;
    std::string soname;
  };
  std::vector<File> files;  ///< ELF files that no package owns
};

/// Reads what the two need. Debian's Python packages stand among Debian's only.
[[nodiscard]] SbomSubject read_sbom(const ImageTree& tree, std::string name, std::string digest, std::string created,
                                    std::string architecture);

/// `tool`: "dlc-0.1.0". Both end in a newline.
[[nodiscard]] std::string to_spdx(const SbomSubject& subject, std::string_view tool);
[[nodiscard]] std::string to_cyclonedx(const SbomSubject& subject, std::string_view tool);

}  // namespace dlc::contents
