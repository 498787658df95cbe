#pragma once
// Progress for a person or a program: takes the event stream and shows it in one of the forms of --progress, from a
// thread of its own, so that a stuck terminal or pipe never blocks a step. State changes are never lost; of step output
// at most a megabyte waits, the rest is counted and left out (it is complete in the log file).
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/events.h"

namespace dlc::cli {

enum class ProgressMode { automatic, tty, plain, quiet, jsonl, rawjson };

/// How the plain form names work: by image and step (`dlc build`), or as BuildKit numbers it (`dlc image build`).
enum class PlainStyle { images, steps };

/// Empty for an unknown word. "none" is another word for quiet.
[[nodiscard]] std::optional<ProgressMode> parse_progress_mode(std::string_view word);

struct ProgressOptions {
  ProgressMode mode = ProgressMode::automatic;
  PlainStyle style = PlainStyle::images;
  int fd = 2;
};

/// The form that `automatic` stands for on this descriptor.
[[nodiscard]] ProgressMode effective_mode(const ProgressOptions& options);

/// Shows the events of `bus` from construction to `close` (or destruction), which waits until everything is shown, but
/// not longer than two seconds on a stuck terminal.
class Progress {
 public:
  Progress(EventBus& bus, const ProgressOptions& options);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();
  void close() noexcept;

 private:
  struct State;
  class Sink;
  std::shared_ptr<State> state_;
};

}  // namespace dlc::cli
