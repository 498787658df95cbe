#pragma once
// The complete output of each image's steps in a file of its own, written as it comes; and what a report needs of it
// afterwards: the last lines of a step and where they stand. A file is begun when something runs: after a build that
// changed nothing, the log of the last one that did is still there.
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/events.h"
#include "base/fd.h"
#include "cli/progress_view.h"

namespace dlc::cli {

struct StepLog {
  std::string file;               ///< the image's that ran the step first; empty where it could not be written
  unsigned line = 0;              ///< of the last line
  std::vector<std::string> last;  ///< at most 20 lines
};

/// Why a step ran, by its name.
struct StepReason {
  std::string step;
  std::string reason;
};

/// Thread-safe.
class LogFiles : public EventSink {
 public:
  /// Activities without an image (bases) go to `folder`/base/NAME.log.
  explicit LogFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Everything below the activity `image` goes to `file` from now on.
  void assign(ActivityId image, const std::string& title, std::filesystem::path file);
  void on_event(const Event& event) noexcept override;

  /// The step of this name; of this image if it has one, else of another that shares it.
  [[nodiscard]] std::optional<StepLog> step(ActivityId image, const std::string& name) const;
  [[nodiscard]] std::vector<StepReason> reasons(ActivityId image) const;

 private:
  struct File {
    std::filesystem::path path;
    std::string pending;  ///< not yet worth a file
    UniqueFd fd;
    unsigned lines = 0;
    ActivityId current = 0;  ///< whose output came last
    bool broken = false;
  };
  struct Step {
    std::string name;
    ActivityId image = 0;
    ActivityKind kind = ActivityKind::other;
    SteadyTime begun;
    unsigned line = 0;
    std::deque<std::string> last;
    std::string reason;
    bool ran = false;
  };

  void handle(const Event& event);
  void begin(const Event& event);
  void end(const Event& event);
  void put(Step& step, ActivityId id, const std::string& line);
  void write(File& file, const std::string& text, bool begin_file);

  std::filesystem::path folder_;
  mutable std::mutex mutex_;
  std::map<ActivityId, File> files_;  ///< by image (or base) activity
  std::map<ActivityId, Step> steps_;
  LineSplitter splitter_;
};

}  // namespace dlc::cli
