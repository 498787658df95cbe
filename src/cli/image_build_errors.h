#pragma once
// Failures and findings of `dlc image build` in docker's well-known form.
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "base/events.h"
#include "cli/progress_view.h"
#include "dockerfile/dockerfile.h"

namespace dlc::cli {

/// Keeps the end of each step's output with its times, for the block that an error begins with. Thread-safe.
class StepTails : public EventSink {
 public:
  void on_event(const Event& event) noexcept override;
  /// "------\n > [2/3] RUN x:\n0.123 text\n------\n", or empty where the step said nothing.
  [[nodiscard]] std::string block(const std::string& step) const;

 private:
  struct Tail {
    std::string name;
    SteadyTime begun;
    std::vector<std::string> lines;
  };
  void handle(const Event& event);

  mutable std::mutex mutex_;
  std::map<ActivityId, Tail> tails_;
  LineSplitter splitter_;
};

/// "Dockerfile:7", the excerpt, "ERROR: failed to solve: ...", the hint.
[[nodiscard]] std::string render_docker_error(const Error& error);

/// 1, 102 where a resource ran out, 130 where it was interrupted.
[[nodiscard]] int docker_exit_status(ErrorKind kind) noexcept;

/// The short list that a build ends with, or empty.
[[nodiscard]] std::string render_warnings(const Diagnostics& diagnostics);
/// What `--check` prints.
[[nodiscard]] std::string render_check(const Diagnostics& diagnostics, const dockerfile::Dockerfile& file);
/// The same as JSON, in the form of BuildKit's `frontend.lint` ("warnings", "sources", "buildError"). `text`: the whole
/// Dockerfile. `error`: what it cannot be built for, or null.
[[nodiscard]] std::string check_json(const Diagnostics& diagnostics, const std::string& name, const std::string& text,
                                     const Error* error);

}  // namespace dlc::cli
