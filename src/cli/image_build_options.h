#pragma once
// The options of `docker build` (with BuildKit) and what `dlc image build` makes of each: one table drives the parser,
// --help and docs/docker-build-options.md.
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::cli {

enum class OptionSupport {
  works,    ///< as in docker build
  ours,     ///< an option that docker does not have
  ignored,  ///< accepted, has no effect here, and none is missed
  later,    ///< not there yet: using it is an error that says so
  refused,  ///< makes no sense here: using it is an error that says why
};

struct OptionRow {
  std::string_view name;   ///< without "--"
  char letter;             ///< or 0
  std::string_view value;  ///< what stands for the value in --help; empty for a flag
  OptionSupport support;
  std::string_view note;  ///< what it does, or why not
};

[[nodiscard]] std::span<const OptionRow> image_build_options();

/// One option as given; flags have "true" or "false".
struct GivenOption {
  const OptionRow* row;
  std::string value;
};

struct GivenArguments {
  std::vector<GivenOption> options;  ///< in order
  std::vector<std::string> operands;
  bool help = false;

  /// The last value, or `otherwise`.
  [[nodiscard]] std::string last(std::string_view name, std::string otherwise = {}) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name) const;
};

/// Throws Error(usage) for an unknown option ("did you mean"), a missing value; Error(unsupported) for one that is
/// refused or not there yet.
[[nodiscard]] GivenArguments parse_image_build(std::span<const std::string> arguments);

[[nodiscard]] std::string image_build_help();
/// The table of docs/docker-build-options.md.
[[nodiscard]] std::string option_table_markdown();

}  // namespace dlc::cli
