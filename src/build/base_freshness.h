#pragma once
// Whether the package mirror has moved since a base root file system was made: the signed index of each suite
// (InRelease) is fetched and compared with the one that the base was made from.
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace dlc::build {

struct SuiteIndex {
  std::string url;   ///< of the InRelease file
  std::string file;  ///< apt's name for it
};

/// Of a source line "deb [options] URI SUITE COMPONENT..."; nullopt for another line.
[[nodiscard]] std::optional<SuiteIndex> index_of_source(std::string_view line);

struct Freshness {
  std::vector<std::string> moved;  ///< suites whose index is another one now
  std::vector<std::string> open;   ///< what could not be asked, with the reason
};

/// Nullopt where the store has no record of how the base was made. Asks all suites at once; none longer than `seconds`.
[[nodiscard]] std::optional<Freshness> base_freshness(const std::string& name, store::Store& store, int seconds,
                                                      const std::stop_token& stop);

}  // namespace dlc::build
