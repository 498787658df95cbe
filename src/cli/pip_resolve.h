#pragma once
// What pip would install into an image: pip itself is asked, in a container of that image, because only there are its
// Python (which decides which wheels fit), its platform and what is installed already the right ones.
#include <map>
#include <string>
#include <vector>

#include "cli/command.h"

namespace dlc::cli {

struct PipRequest {
  std::string image;                     ///< a name in the store
  std::vector<std::string> packages;     ///< requirements: "dgl==1.1.3", and options of pip
  std::vector<std::string> constraints;  ///< such as "numpy==1.23.5"
  std::vector<std::string> free;         ///< installed packages that these speak of: normalized names
};

struct ResolvedPackage {
  std::string name;
  std::string version;
  std::vector<std::string> hashes;  ///< "sha256:<hex>"
};

struct PipAnswer {
  std::vector<ResolvedPackage> packages;         ///< what would be installed
  std::map<std::string, std::string> installed;  ///< what is, by normalized name
  std::vector<std::string> unneeded;             ///< `free` ones that something needed until now: normalized names
};

/// Judges how pip ended and what it wrote to standard error. Throws Error(network) where the index was not reached,
/// Error(usage) where a package has no such extra, else Error(failed) with pip's reasons; with a hint where what stands
/// in the way is not another package.
void check_pip_result(const std::string& image, int status, const std::string& error);

/// Installed packages that are not `free` keep their versions. Wheels only. Throws
/// Error(not_found) where the image is not in the store, and as check_pip_result.
[[nodiscard]] PipAnswer ask_pip(const PipRequest& request, const GlobalOptions& global);

}  // namespace dlc::cli
