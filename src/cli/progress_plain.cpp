// The two plain forms: one line after the other, for logs and pipes.
#include <fmt/format.h>

#include "cli/progress_view.h"

namespace dlc::cli {

namespace {

std::string figure(const Event& event) {
  return event.total > 0 ? fmt::format("{} / {}", format_bytes(event.done), format_bytes(event.total))
                         : format_bytes(event.done);
}

struct Work {
  ActivityKind kind = ActivityKind::other;
  ActivityId parent = 0;
  std::string name;
  SteadyTime begun;
  SteadyTime told;  ///< last progress line
};

constexpr std::chrono::seconds kProgressEvery{5};

/// "[pr-mxnet-training:1.9.1-cpu-py3 3/9] text".
class ImagesView : public ProgressView {
 public:
  explicit ImagesView(int fd) : out_(fd) {}

  void event(const Event& event) override {
    switch (event.type) {
      case Event::Type::begin:
        begin(event);
        break;
      case Event::Type::progress:
        progress(event);
        break;
      case Event::Type::log:
        for (const auto& line : lines_.add(event.activity, event.text)) {
          say(event.activity, clean_line(line));
        }
        break;
      case Event::Type::cache:
        if (!event.text.empty()) {
          say(event.activity, event.text);
        }
        break;
      case Event::Type::message:
        out_.write(fmt::format("{}: {}\n", event.severity, event.text));
        break;
      case Event::Type::end:
        end(event);
        break;
    }
  }

  void lost(std::uint64_t bytes) override {
    out_.write(fmt::format("({} of output not shown here; it is in the log file)\n", format_bytes(bytes)));
  }

 private:
  void begin(const Event& event) {
    auto& work = work_[event.activity];
    work = {event.kind, event.parent, event.name, event.when, event.when};
    if (event.kind == ActivityKind::step || event.kind == ActivityKind::image || event.kind == ActivityKind::base ||
        event.kind == ActivityKind::pull) {
      say(event.activity, event.kind == ActivityKind::image ? "begun" : text_of(work));
    }
  }

  void progress(const Event& event) {
    const auto found = work_.find(event.activity);
    if (found != work_.end() && event.when - found->second.told >= kProgressEvery) {
      found->second.told = event.when;
      say(event.activity, figure(event));
    }
  }

  void end(const Event& event) {
    const auto found = work_.find(event.activity);
    if (found == work_.end()) {
      return;
    }
    if (const auto rest = lines_.rest(event.activity); !rest.empty()) {
      say(event.activity, clean_line(rest));
    }
    const auto time = format_seconds(seconds_between(found->second.begun, event.when));
    const auto kind = found->second.kind;
    if (event.result == ActivityResult::failed) {
      say(event.activity, fmt::format("FAILED {}{}{}", time, event.text.empty() ? "" : ": ", event.text));
    } else if (event.result == ActivityResult::cancelled) {
      say(event.activity, "cancelled " + time);
    } else if (kind == ActivityKind::step || kind == ActivityKind::image || kind == ActivityKind::base ||
               kind == ActivityKind::pull) {
      say(event.activity, event.result == ActivityResult::cached ? "cached" : "done " + time);
    }
    work_.erase(found);
  }

  /// The name without the number that stands in the prefix.
  static std::string text_of(const Work& work) {
    const auto end = work.name.find("] ");
    return step_number(work.name).empty() || end == std::string::npos ? work.name : work.name.substr(end + 2);
  }

  std::string prefix(ActivityId activity) const {
    std::string number;
    std::string other;
    for (auto found = work_.find(activity); found != work_.end(); found = work_.find(found->second.parent)) {
      const auto& work = found->second;
      if (work.kind == ActivityKind::image) {
        return number.empty() ? fmt::format("[{}]", work.name) : fmt::format("[{} {}]", work.name, number);
      }
      if (const auto own = step_number(work.name); number.empty() && !own.empty()) {
        number = own;
      } else if (other.empty()) {
        other = work.name;
      }
    }
    return number.empty() && other.empty() ? "[dlc]" : fmt::format("[{}]", number.empty() ? other : number);
  }

  void say(ActivityId activity, const std::string& text) { out_.write(prefix(activity) + " " + text + "\n"); }

  TextOut out_;
  LineSplitter lines_;
  std::map<ActivityId, Work> work_;
};

/// BuildKit's: "#5 [2/3] RUN make", "#5 0.412 text", "#5 DONE 3.1s", a blank line between blocks.
class StepsView : public ProgressView {
 public:
  explicit StepsView(int fd) : out_(fd) {}

  void event(const Event& event) override {
    switch (event.type) {
      case Event::Type::begin:
        begin(event);
        break;
      case Event::Type::log:
        for (const auto& line : lines_.add(event.activity, event.text)) {
          log(event.activity, line, event.when);
        }
        break;
      case Event::Type::progress:
        progress(event);
        break;
      case Event::Type::message:
        out_.write(fmt::format("{}{}: {}\n", current_ != 0 ? "\n" : "", event.severity, event.text));
        current_ = 0;
        break;
      case Event::Type::end:
        end(event);
        break;
      case Event::Type::cache:
        break;
    }
  }

  void lost(std::uint64_t bytes) override {
    out_.write(fmt::format("[output clipped, {} left out]\n", format_bytes(bytes)));
  }

 private:
  struct Numbered {
    unsigned number = 0;
    std::string name;
    SteadyTime begun;
    SteadyTime told;
    bool named = false;
  };

  void begin(const Event& event) {
    if (event.kind == ActivityKind::image || event.kind == ActivityKind::plan) {
      return;  // BuildKit has no vertex for these
    }
    work_[event.activity] = {++last_, event.name, event.when, event.when, false};
    say(event.activity, "");
  }

  void log(ActivityId activity, const std::string& line, SteadyTime now) {
    if (const auto found = work_.find(activity); found != work_.end()) {
      say(activity, fmt::format("{:.3f} {}", seconds_between(found->second.begun, now), clean_line(line)));
    }
  }

  void progress(const Event& event) {
    const auto found = work_.find(event.activity);
    if (found != work_.end() && event.when - found->second.told >= kProgressEvery) {
      found->second.told = event.when;
      say(event.activity, figure(event));
    }
  }

  void end(const Event& event) {
    const auto found = work_.find(event.activity);
    if (found == work_.end()) {
      return;
    }
    if (const auto rest = lines_.rest(event.activity); !rest.empty()) {
      log(event.activity, rest, event.when);
    }
    switch (event.result) {
      case ActivityResult::done:
        say(event.activity, fmt::format("DONE {:.1f}s", seconds_between(found->second.begun, event.when)));
        break;
      case ActivityResult::cached:
        say(event.activity, "CACHED");
        break;
      case ActivityResult::failed:
        say(event.activity, "ERROR: " + event.text);
        break;
      case ActivityResult::cancelled:
        say(event.activity, "CANCELED");
        break;
    }
    work_.erase(found);
    out_.write("\n");
    current_ = 0;
  }

  void say(ActivityId activity, const std::string& text) {
    auto& work = work_[activity];
    std::string block;
    if (current_ != activity) {
      if (current_ != 0) {
        block += fmt::format("#{} ...\n\n", work_.contains(current_) ? work_[current_].number : 0);
      }
      block += fmt::format("#{} {}\n", work.number, work.name);
      current_ = activity;
    }
    if (!text.empty()) {
      block += fmt::format("#{} {}\n", work.number, text);
    }
    out_.write(block);
  }

  TextOut out_;
  LineSplitter lines_;
  std::map<ActivityId, Numbered> work_;
  ActivityId current_ = 0;
  unsigned last_ = 0;
};

}  // namespace

std::unique_ptr<ProgressView> make_images_view(int fd) {
  return std::make_unique<ImagesView>(fd);
}
std::unique_ptr<ProgressView> make_steps_view(int fd) {
  return std::make_unique<StepsView>(fd);
}

}  // namespace dlc::cli
