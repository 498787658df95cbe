#pragma once
// Whether Debian has a package: apt itself is asked, in a container of the image, because only there are the sources
// and the releases that the image is made from.
#include <optional>
#include <string>

#include "cli/command.h"

namespace dlc::cli {

/// Throws Error(failed) with apt's words where it can't install the package ("less", "less=590-2"). Returns why apt
/// could not be asked: the image is not in the store, has no apt, or the mirror gave no lists.
[[nodiscard]] std::optional<std::string> check_apt_package(const std::string& image, const std::string& package,
                                                           const GlobalOptions& global);

}  // namespace dlc::cli
