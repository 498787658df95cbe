// The text helpers of the views, and the quiet view.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "cli/progress_view.h"

namespace dlc::cli {

void TextOut::write(std::string_view text) noexcept {
  while (!broken_ && !text.empty()) {
    const ssize_t count = ::write(fd_, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd wait{fd_, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      broken_ = true;
    }
  }
}

bool TextOut::ready() const noexcept {
  pollfd wait{fd_, POLLOUT, 0};
  return ::poll(&wait, 1, 0) == 1 && (wait.revents & POLLOUT) != 0;
}

std::vector<std::string> LineSplitter::add(ActivityId activity, std::string_view chunk) {
  std::vector<std::string> lines;
  auto& open = open_[activity];
  for (auto end = chunk.find('\n'); end != std::string_view::npos; end = chunk.find('\n')) {
    lines.push_back(open + std::string(chunk.substr(0, end)));
    open.clear();
    chunk.remove_prefix(end + 1);
  }
  constexpr std::size_t kLongestLine = 64U << 10;
  open += chunk;
  if (open.size() > kLongestLine) {
    lines.push_back(std::exchange(open, {}));
  }
  return lines;
}

std::string LineSplitter::rest(ActivityId activity) {
  const auto found = open_.find(activity);
  if (found == open_.end()) {
    return {};
  }
  auto text = std::move(found->second);
  open_.erase(found);
  return text;
}

std::string clean_line(std::string_view line) {
  while (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  if (const auto back = line.rfind('\r'); back != std::string_view::npos) {
    line.remove_prefix(back + 1);
  }
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto c = static_cast<unsigned char>(line[i]);
    if (c == 0x1b) {
      if (i + 1 < line.size() && line[i + 1] == '[') {  // CSI: up to its final byte
        for (i += 2; i < line.size() && (line[i] < 0x40 || line[i] > 0x7e); ++i) {
        }
      } else if (i + 1 < line.size() && line[i + 1] == ']') {  // OSC: up to BEL or ESC
        for (i += 2; i < line.size() && line[i] != 0x07 && line[i] != 0x1b; ++i) {
        }
      } else {
        ++i;
      }
    } else if (c == '\t') {
      result += "    ";
    } else if (c >= 0x20 && c != 0x7f) {
      result += line[i];
    }
  }
  return result;
}

std::string format_seconds(double seconds) {
  constexpr int kMinute = 60;
  constexpr int kHour = 3600;
  if (seconds < kMinute) {
    return fmt::format("{:.{}f}s", seconds, seconds > 0 && seconds < 0.095 ? 2 : 1);
  }
  const auto whole = static_cast<int>(seconds);
  return whole < kHour ? fmt::format("{}m{:02}s", whole / kMinute, whole % kMinute)
                       : fmt::format("{}h{:02}m", whole / kHour, whole % kHour / kMinute);
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string step_number(std::string_view name) {
  if (!name.starts_with('[')) {
    return {};
  }
  const auto inside = name.substr(1, name.find(']') - 1);
  const auto blank = inside.rfind(' ');
  const auto number = blank == std::string_view::npos ? inside : inside.substr(blank + 1);
  return number.find('/') == std::string_view::npos ? std::string() : std::string(number);
}

double seconds_between(SteadyTime from, SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

namespace {

class QuietView : public ProgressView {
 public:
  explicit QuietView(int fd) : out_(fd) {}
  void event(const Event& event) override {
    if (event.type == Event::Type::message && event.severity != "note") {
      out_.write(fmt::format("{}: {}\n", event.severity, event.text));
    }
  }

 private:
  TextOut out_;
};

}  // namespace

std::unique_ptr<ProgressView> make_quiet_view(int fd) {
  return std::make_unique<QuietView>(fd);
}

}  // namespace dlc::cli
