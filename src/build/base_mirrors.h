#pragma once
// Where Debian packages come from on this machine: the host's own apt sources, read from both of their formats
// (sources.list(5): one-line and deb822), for a suite that need not be the host's. Reads files only.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::build {

struct AptSource {
  std::string uri;
  std::string suite;
  std::string signed_by;  ///< keyring, or empty
};

/// The enabled "deb" entries of one-line text ("deb [options] URI SUITE COMPONENT...").
[[nodiscard]] std::vector<AptSource> parse_one_line_sources(std::string_view text);
/// The enabled "deb" entries of deb822 text; each URI with each suite.
[[nodiscard]] std::vector<AptSource> parse_deb822_sources(std::string_view text);
/// All entries of `apt` (normally /etc/apt): sources.list, then sources.list.d in order of name.
[[nodiscard]] std::vector<AptSource> read_apt_sources(const std::filesystem::path& apt);

/// Lines for mmdebstrap that offer `suite` with its updates and security fixes from the same servers that `sources` use
/// for Debian. Empty where `sources` name no Debian suite: mmdebstrap then has defaults of its own.
[[nodiscard]] std::vector<std::string> mirror_lines(const std::vector<AptSource>& sources, std::string_view suite,
                                                    const std::vector<std::string>& components);

}  // namespace dlc::build
