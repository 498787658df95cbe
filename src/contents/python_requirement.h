#pragma once
// A dependency as a Python package declares it (Requires-Dist: name[extras] (specifiers); marker), the specifications
// once called PEP 508. Pure; thread-safe.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::contents {

struct PythonRequirement {
  std::string name;  ///< normalized
  std::vector<std::string> extras;
  std::string specifiers;  ///< empty: any version
  std::string url;         ///< "name @ URL": any version
  std::string marker;      ///< empty: always
};

/// nullopt where the text is malformed.
[[nodiscard]] std::optional<PythonRequirement> parse_requirement(std::string_view text);

/// python_version, sys_platform, platform_machine, extra and the others, by name.
using MarkerEnvironment = std::map<std::string, std::string, std::less<>>;

/// CPython `version` ("3.11" or "3.11.2") on Linux, `architecture` as Go names it. `extra` is empty.
[[nodiscard]] MarkerEnvironment linux_cpython(const std::string& version, std::string_view architecture);

/// Whether a marker holds; nullopt where it is malformed.
[[nodiscard]] std::optional<bool> evaluate_marker(std::string_view marker, const MarkerEnvironment& environment);

}  // namespace dlc::contents
