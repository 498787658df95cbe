#pragma once
// One form of progress output. A view is driven by one thread (progress.cpp) and writes to one descriptor.
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"

namespace dlc::cli {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Where views write. Errors (a closed pipe) end the output quietly: progress is not worth failing for.
class TextOut {
 public:
  explicit TextOut(int fd) : fd_(fd) {}
  void write(std::string_view text) noexcept;
  /// Whether a small write would go through at once; never waits.
  [[nodiscard]] bool ready() const noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
  bool broken_ = false;
};

class ProgressView {
 public:
  virtual ~ProgressView() = default;
  virtual void event(const Event& event) = 0;
  /// Called about ten times a second, and after a burst of events.
  virtual void tick(SteadyTime now) { static_cast<void>(now); }
  /// Step output that was left out because it came faster than it could be shown.
  virtual void lost(std::uint64_t bytes) { static_cast<void>(bytes); }
  virtual void close() {}
};

[[nodiscard]] std::unique_ptr<ProgressView> make_tty_view(int fd, bool color);
[[nodiscard]] std::unique_ptr<ProgressView> make_images_view(int fd);  ///< plain, by image and step
[[nodiscard]] std::unique_ptr<ProgressView> make_steps_view(int fd);   ///< plain, as BuildKit
[[nodiscard]] std::unique_ptr<ProgressView> make_jsonl_view(int fd);
[[nodiscard]] std::unique_ptr<ProgressView> make_rawjson_view(int fd);
[[nodiscard]] std::unique_ptr<ProgressView> make_quiet_view(int fd);  ///< warnings and errors only

/// Cuts a stream of chunks into lines, per activity.
class LineSplitter {
 public:
  /// The whole lines that are there after `chunk`, without their ends.
  [[nodiscard]] std::vector<std::string> add(ActivityId activity, std::string_view chunk);
  /// What is left without a line end, and forgets the activity.
  [[nodiscard]] std::string rest(ActivityId activity);

 private:
  std::map<ActivityId, std::string> open_;
};

/// For a terminal or a plain log: escape sequences and control characters taken out, of "a\rb" only b.
[[nodiscard]] std::string clean_line(std::string_view line);
/// "0.3s", "12.3s", "1m12s", "2h05m".
[[nodiscard]] std::string format_seconds(double seconds);
/// "412 B", "1.5 kB", "49.1 MB".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
/// "3/9" of "[stage 3/9] RUN ...", or empty.
[[nodiscard]] std::string step_number(std::string_view name);
[[nodiscard]] double seconds_between(SteadyTime from, SteadyTime to);

}  // namespace dlc::cli
