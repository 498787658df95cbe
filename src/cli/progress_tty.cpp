// The terminal form: a row per image and step with its time, redrawn in place at most ten times a second. What has
// ended scrolls away above; the live part never exceeds the window.
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <deque>

#include "base/printable.h"
#include "cli/progress_view.h"
#include "cli/table.h"

namespace dlc::cli {

namespace {

struct Row {
  ActivityId id = 0;
  ActivityId parent = 0;
  ActivityKind kind = ActivityKind::other;
  std::string name;
  SteadyTime begun;
  SteadyTime ended;
  bool over = false;
  ActivityResult result = ActivityResult::done;
  std::string error;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::deque<std::string> lines;  ///< the last ones of its output
};

constexpr std::size_t kLogLines = 6;
constexpr std::size_t kFewestRows = 6;

struct Window {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

Window window_of(int fd) {
  winsize size{};
  Window window;
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    window = {size.ws_col, size.ws_row};
  }
  return window;
}

class TtyView : public ProgressView {
 public:
  TtyView(int fd, bool color) : out_(fd), color_(color), begun_(std::chrono::steady_clock::now()) {}

  void event(const Event& event) override {
    switch (event.type) {
      case Event::Type::begin:
        rows_.push_back({.id = event.activity,
                         .parent = event.parent,
                         .kind = event.kind,
                         .name = event.name,
                         .begun = event.when,
                         .ended = {},
                         .over = false,
                         .result = {},
                         .error = {},
                         .done = 0,
                         .total = 0,
                         .lines = {}});
        break;
      case Event::Type::progress:
        if (auto* row = find(event.activity)) {
          row->done = event.done;
          row->total = event.total;
        }
        break;
      case Event::Type::log:
        log(event);
        break;
      case Event::Type::message:
        permanent_ += fmt::format("{}: {}\n", event.severity, event.text);
        break;
      case Event::Type::end:
        end(event);
        break;
      case Event::Type::cache:
        break;
    }
  }

  void tick(SteadyTime now) override {
    if (out_.ready()) {  // a stopped terminal (Ctrl-S) is not written to
      draw(now);
    }
  }

  void close() override {
    for (const auto& row : rows_) {
      if (row.parent == 0 || find(row.parent) == nullptr) {
        permanent_ += line_of(row, begun_, Window{}.columns) + "\n";
      }
    }
    rows_.clear();
    draw(std::chrono::steady_clock::now());
  }

 private:
  Row* find(ActivityId id) {
    const auto found = std::ranges::find(rows_, id, &Row::id);
    return found == rows_.end() ? nullptr : &*found;
  }

  void log(const Event& event) {
    auto* row = find(event.activity);
    for (const auto& line : splitter_.add(event.activity, event.text)) {
      if (auto text = clean_line(line); row != nullptr && !text.empty()) {
        row->lines.push_back(std::move(text));
        if (row->lines.size() > kLogLines) {
          row->lines.pop_front();
        }
      }
    }
  }

  void end(const Event& event) {
    auto* row = find(event.activity);
    if (row == nullptr) {
      return;
    }
    static_cast<void>(splitter_.rest(event.activity));
    row->over = true;
    row->ended = event.when;
    row->result = event.result;
    row->error = event.text;
    ++ended_;
    if (row->parent == 0 || find(row->parent) == nullptr) {
      const auto columns = window_of(out_.fd()).columns;
      permanent_ += line_of(*row, event.when, columns) + "\n";
      const auto id = row->id;
      std::erase_if(rows_, [id](const Row& other) { return other.id == id || other.parent == id; });
    }
  }

  std::string mark(const Row& row) const {
    if (!row.over) {
      return paint("●", "34");
    }
    switch (row.result) {
      case ActivityResult::failed:
        return paint("✗", "31");
      case ActivityResult::cancelled:
        return paint("-", "33");
      case ActivityResult::done:
      case ActivityResult::cached:
        break;
    }
    return paint("✓", "32");
  }

  std::string paint(const char* text, const char* code) const {
    return color_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }

  /// "   ✓ [1/9] FROM debian:bookworm          0.0s", the time at the right edge.
  std::string line_of(const Row& row, SteadyTime now, std::size_t columns) const {
    const std::string indent(row.kind == ActivityKind::image ? 1 : 3, ' ');
    std::string right;
    if (row.total > 0 && !row.over) {
      right = format_bytes(row.done) + " of " + format_bytes(row.total) + "  ";
    } else if (row.over && row.result == ActivityResult::cached) {
      right = "cached  ";
    }
    if (row.kind == ActivityKind::image && !row.over) {
      right += "RUNNING ";
    }
    const auto time = format_seconds(seconds_between(row.begun, row.over ? row.ended : std::max(now, row.begun)));
    right += fmt::format("{:>7}", time);
    const auto room = columns > right.size() + indent.size() + 6 ? columns - right.size() - indent.size() - 4 : 20;
    auto left = cut(clean_line(row.name), room);
    const auto gap = room > text_width(left) ? room - text_width(left) : 0;
    return indent + mark(row) + " " + left + std::string(gap + 1, ' ') + right;
  }

  /// Rows in order: each image, below it its steps; running steps with the end of their output.
  std::vector<std::string> frame(SteadyTime now, const Window& window) {
    std::vector<std::string> lines;
    for (const auto& row : rows_) {
      if (row.parent != 0 && find(row.parent) != nullptr) {
        continue;
      }
      add_row(lines, row, now, window);
      for (const auto& child : rows_) {
        if (child.parent == row.id) {
          add_row(lines, child, now, window);
        }
      }
    }
    return lines;
  }

  static void add_output(std::vector<std::string>& lines, const Row& row, const Window& window) {
    if (row.over) {
      return;
    }
    for (const auto& text : row.lines) {
      lines.push_back("       " + cut(text, window.columns - std::min<std::size_t>(window.columns, 9)));
    }
  }

  void add_row(std::vector<std::string>& lines, const Row& row, SteadyTime now, const Window& window) const {
    lines.push_back(line_of(row, now, window.columns));
    add_output(lines, row, window);
  }

  void draw(SteadyTime now) {
    const auto window = window_of(out_.fd());
    auto lines = frame(now, window);
    if (!rows_.empty()) {
      lines.insert(lines.begin(),
                   fmt::format("[+] {}  {} ended, {} running", format_seconds(seconds_between(begun_, now)), ended_,
                               std::ranges::count(rows_, false, &Row::over)));
    }
    const auto most = std::max(kFewestRows, window.rows) - 2;
    if (lines.size() > most) {  // the newest rows are at the end: those are what happens now
      const auto hidden = lines.size() - most;
      lines.erase(lines.begin() + 1, lines.begin() + static_cast<std::ptrdiff_t>(hidden) + 1);
    }
    if (lines.empty() && permanent_.empty() && drawn_ == 0) {
      return;
    }
    std::string text;
    if (drawn_ > 0) {
      text = fmt::format("\x1b[{}A\r\x1b[J", drawn_);
    }
    text += permanent_;
    for (const auto& line : lines) {
      text += line + "\n";
    }
    permanent_.clear();
    drawn_ = lines.size();
    out_.write(text);
  }

  TextOut out_;
  bool color_;
  SteadyTime begun_;
  std::vector<Row> rows_;
  LineSplitter splitter_;
  std::string permanent_;  ///< to be printed above the live part
  std::size_t drawn_ = 0;  ///< lines of the live part on the screen
  std::size_t ended_ = 0;
};

}  // namespace

std::unique_ptr<ProgressView> make_tty_view(int fd, bool color) {
  return std::make_unique<TtyView>(fd, color);
}

}  // namespace dlc::cli
