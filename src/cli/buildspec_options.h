#pragma once
// The options by which build, plan and lint name buildspecs and choose images, in the spellings of the predecessor and
// with dashes.
#include <string>

#include "base/diagnostics.h"
#include "buildspec/plan.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace dlc::cli {

/// Where the options' values land; must outlive the parsing.
struct BuildspecOptions {
  buildspec::ResolveOptions resolve;
  std::string changed_files;  ///< --changed-files FILE

  /// After parsing: reads the file of changed paths, takes the environment and the clock.
  void finish();
};

void add_buildspec_options(CLI::App& app, BuildspecOptions& options);

/// All findings on standard error, then "1 error, 2 warnings" and `outcome` ("nothing was built") where there are
/// errors.
void print(const Diagnostics& diagnostics, const std::string& outcome);

/// "1 error", "2 errors".
[[nodiscard]] std::string count(int number, const std::string& noun);

}  // namespace dlc::cli
