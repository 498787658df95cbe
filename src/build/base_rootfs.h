#pragma once
// Base images that need no registry: `FROM dlc.local/base/NAME` is a Debian root file system made by mmdebstrap from
// the signed package mirror, as base/images.toml describes it (docs/base-images.md). Made on demand, once: the result
// is kept in the store until its entry changes or it is refreshed.
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/events.h"
#include "codec/digest.h"
#include "store/store.h"

namespace dlc::build {

inline constexpr std::string_view kBasePrefix = "dlc.local/base/";

struct BaseEntry {
  std::string name;
  std::string suite;
  std::string variant = "minbase";
  std::vector<std::string> components{"main"};
  std::vector<std::string> packages;
  std::vector<std::string> exclude;  // paths that no package may install, now or later; shell wildcards
  std::vector<std::string> keep;     // exceptions from these
  SourceLocation where;

  /// All that decides what is made from the entry, as text.
  [[nodiscard]] std::string canonical() const;
};

/// Throws Error(invalid) with file:line for an unknown key, a missing or malformed value, a name that is there twice.
[[nodiscard]] std::vector<BaseEntry> parse_bases(std::string_view text, const std::string& file);

/// The list to use: `wanted` if given, else DLC_BASES, else base/images.toml in the working directory or above it, else
/// that of the checkout that the program was built in. Empty where there is none.
[[nodiscard]] std::string find_bases_file(const std::string& wanted = {});

/// The manifest digest of the base image `name` (without prefix), made if it is not in the store or `refresh` is set.
/// Two processes make it once. Error(not_found) lists the names there are; Error(network) where the mirror is dead;
/// Error(cancelled) after a stop request.
[[nodiscard]] codec::Digest base_image(const std::string& name, const std::string& bases_file, bool refresh,
                                       store::Store& store, EventBus& bus, const std::stop_token& stop);

/// The same where the store has it; makes nothing.
[[nodiscard]] std::optional<codec::Digest> known_base_image(const std::string& name, const std::string& bases_file,
                                                            store::Store& store);

}  // namespace dlc::build
