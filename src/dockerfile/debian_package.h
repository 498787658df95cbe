#pragma once
// How apt-get names a package: "libgomp1", "libgomp1:i386", "libgomp1=12.2.0-14+deb12u1", "less/bookworm-backports".
#include <optional>
#include <string>
#include <string_view>

namespace dlc::dockerfile {

struct DebianPackage {
  std::string name;
  std::optional<std::string> architecture;
  std::optional<std::string> version;
  std::optional<std::string> release;
};

/// The parts of the text, quotes around it left out; nothing is checked.
[[nodiscard]] DebianPackage split_package(std::string_view text);

/// What is wrong with it by Debian's policy (5.6.1, 5.6.12), as a sentence; empty: nothing.
[[nodiscard]] std::string package_problem(const DebianPackage& package);

/// Whether what `listed` names is all that `wanted` asks for.
[[nodiscard]] bool satisfies(const DebianPackage& listed, const DebianPackage& wanted);

}  // namespace dlc::dockerfile
