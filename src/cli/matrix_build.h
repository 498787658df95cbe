#pragma once
// Builds the selected images of a plan: parents before children, everything else together in one graph, so that equal
// steps run once. A failed image fails its children only.
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "build/image_resolver.h"
#include "build/solver.h"
#include "buildspec/plan.h"
#include "cli/log_files.h"
#include "store/store.h"
#include "verify/size_rule.h"

namespace dlc::cli {

enum class ImageStatus { built, up_to_date, failed, not_started, interrupted };

/// What became of one image of the plan.
struct ImageOutcome {
  const buildspec::PlannedImage* image = nullptr;
  std::string name;  ///< short name
  ImageStatus status = ImageStatus::not_started;
  std::string reason;  ///< not started: why
  std::optional<Error> error;
  std::string failed_step;
  std::optional<StepLog> failed_log;
  std::string log;  ///< log file, relative to the repository root
  oci::Descriptor manifest;
  build::Digest config;
  std::uint64_t bytes = 0;  ///< of the uncompressed layers together
  verify::SizeFinding size;
  std::optional<verify::Growth> growth;  ///< too large: against the image that had its name before
  build::StepCount steps;
  unsigned total_steps = 0;
  std::vector<StepReason> reasons;  ///< of the steps that ran
  double seconds = 0;
  std::int64_t started = 0;  ///< seconds since 1970
};

struct MatrixOptions {
  std::filesystem::path root = ".";  ///< repository root
  std::filesystem::path logs = "logs";
  build::SolveOptions solve;
  bool no_cache = false;
  build::PullPolicy pull = build::PullPolicy::newer;
  bool refresh_bases = false;
};

class MatrixBuild {
 public:
  MatrixBuild(const buildspec::Plan& plan, store::Store& store, EventBus& bus, LogFiles& logs,
              const MatrixOptions& options, std::stop_token stop);
  ~MatrixBuild();

  /// In the order of the plan, selected images only. Call it once.
  [[nodiscard]] std::vector<ImageOutcome> run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// How many steps (RUN, COPY, ADD, WORKDIR) a target is made of.
[[nodiscard]] unsigned count_steps(const build::Graph& graph, build::VertexId root);

}  // namespace dlc::cli
