#pragma once
// What `dlc build` says at its end: for people the sections Status, Build Logs, Summary and Errors, for programs JSON.
// Pure: text from outcomes. docs/build.md shows both.
#include <string>
#include <vector>

#include "cli/matrix_build.h"

namespace dlc::cli {

/// An image that was selected and is not built because of what it requires.
struct LeftOut {
  std::string name;  ///< short name
  std::string reason;
};

struct ReportContext {
  int not_selected = 0;  ///< with those left out
  std::vector<LeftOut> left_out;
  int signal = 0;  ///< what interrupted the build, or 0
  double seconds = 0;
};

[[nodiscard]] std::vector<LeftOut> left_out_of(const buildspec::Plan& plan);

[[nodiscard]] std::string render_report(const std::vector<ImageOutcome>& outcomes, const ReportContext& context);
/// docs/build.md, "For programs"; ends in a newline.
[[nodiscard]] std::string render_json(const std::vector<ImageOutcome>& outcomes, const ReportContext& context);

/// "interrupted; 5 of 9 steps are kept, the same command goes on from there"; without numbers where `total` is 0, for
/// nobody knows it yet.
[[nodiscard]] std::string interrupted_line(unsigned kept, unsigned total);
[[nodiscard]] std::string interrupted_line(const std::vector<ImageOutcome>& outcomes);

/// "built", "up-to-date", "failed", "not-started", "interrupted".
[[nodiscard]] const char* status_word(ImageStatus status);

}  // namespace dlc::cli
