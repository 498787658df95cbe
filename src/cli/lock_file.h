#pragma once
// Lock files of Python packages as images install them (pip --require-hashes --no-deps): `name==version` and the hashes
// below it. Edits keep every other line, with its comments, as it is.
#include <string>
#include <string_view>
#include <vector>

namespace dlc::cli {

struct LockedPackage {
  std::string name;     ///< normalized: lower case, "-" for runs of "-", "_" and "."
  std::string version;  ///< what follows "=="
  int first_line = 0;   ///< from 1
  int last_line = 0;
  bool hashed = false;
};

/// PEP 503.
[[nodiscard]] std::string normalized_name(std::string_view name);

/// The packages in the order of the file; lines of another form are left out.
[[nodiscard]] std::vector<LockedPackage> locked_packages(std::string_view text);
/// Whether this is meant as a lock file: something in it has a hash.
[[nodiscard]] bool is_lock_file(std::string_view text);
/// Throws Error(invalid) at the first line that pip would refuse with --require-hashes: without a hash, or a version.
void check_lock_file(std::string_view text, const std::string& path);

/// The text with the package at this version: in the place of the one of its name, whose extras and marker stay, else
/// at its place in the alphabet where the file is sorted, else at the end. `hashes`: "sha256:<hex>", at least one.
[[nodiscard]] std::string lock_package(std::string_view text, const std::string& name, const std::string& version,
                                       const std::vector<std::string>& hashes);

}  // namespace dlc::cli
