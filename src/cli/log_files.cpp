#include "cli/log_files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace dlc::cli {

namespace {

constexpr std::size_t kLastLines = 20;

/// "debian-bookworm" of "base debian-bookworm (...)", safe as a file name.
std::string base_file_name(const std::string& name) {
  auto word = name.starts_with("base ") ? name.substr(5) : name;
  word.resize(std::min(word.size(), word.find(' ')));
  std::ranges::replace(word, '/', '-');
  return word + ".log";
}

}  // namespace

void LogFiles::assign(ActivityId image, const std::string& title, std::filesystem::path file) {
  const std::scoped_lock lock(mutex_);
  auto& entry = files_[image];
  entry.path = std::move(file);
  entry.pending = title + "\n";
  entry.lines = 1;
}

void LogFiles::on_event(const Event& event) noexcept {
  try {
    const std::scoped_lock lock(mutex_);
    handle(event);
  } catch (const std::exception&) {  // out of memory: the build itself will say so
  }
}

void LogFiles::handle(const Event& event) {
  switch (event.type) {
    case Event::Type::begin:
      begin(event);
      break;
    case Event::Type::log:
      if (const auto found = steps_.find(event.activity); found != steps_.end()) {
        for (const auto& line : splitter_.add(event.activity, event.text)) {
          put(found->second, event.activity, line);
        }
      }
      break;
    case Event::Type::cache:
      if (const auto found = steps_.find(event.activity); found != steps_.end()) {
        found->second.reason = event.text;
      }
      break;
    case Event::Type::end:
      end(event);
      break;
    case Event::Type::progress:
    case Event::Type::message:
      break;
  }
}

void LogFiles::begin(const Event& event) {
  ActivityId image = event.parent;
  if (const auto parent = steps_.find(event.parent); parent != steps_.end()) {
    image = parent->second.image;
  }
  if (event.kind == ActivityKind::base && !files_.contains(image)) {
    image = event.activity;
    files_[image].path = folder_ / "base" / base_file_name(event.name);
  }
  if (files_.contains(image)) {
    steps_[event.activity] = {.name = event.name,
                              .image = image,
                              .kind = event.kind,
                              .begun = event.when,
                              .line = 0,
                              .last = {},
                              .reason = {},
                              .ran = false};
  }
}

void LogFiles::put(Step& step, ActivityId id, const std::string& line) {
  auto& file = files_[step.image];
  if (file.current != id) {  // steps that run side by side take turns
    write(file, fmt::format("==> {}{}\n", step.name, step.line == 0 ? "" : " (continued)"), true);
    file.current = id;
  }
  write(file, line + "\n", true);
  step.line = file.lines;
  step.last.push_back(clean_line(line));
  if (step.last.size() > kLastLines) {
    step.last.pop_front();
  }
}

void LogFiles::end(const Event& event) {
  const auto found = steps_.find(event.activity);
  if (found == steps_.end()) {
    return;
  }
  auto& step = found->second;
  if (const auto rest = splitter_.rest(event.activity); !rest.empty()) {
    put(step, event.activity, rest);
  }
  auto& file = files_[step.image];
  step.ran = event.result != ActivityResult::cached;
  const auto seconds = format_seconds(seconds_between(step.begun, event.when));
  std::string text;
  switch (event.result) {
    case ActivityResult::cached:
      text = fmt::format("==> {}: cached\n", step.name);
      break;
    case ActivityResult::done:
      text =
          fmt::format("==> {}: done {}{}\n", step.name, seconds, step.reason.empty() ? "" : " (" + step.reason + ")");
      break;
    case ActivityResult::failed:
      text = fmt::format("==> {}: failed {}: {}\n", step.name, seconds, event.text);
      break;
    case ActivityResult::cancelled:
      text = fmt::format("==> {}: cancelled {}\n", step.name, seconds);
      break;
  }
  file.current = 0;
  write(file, text, step.ran);
  if (step.line == 0) {
    step.line = file.lines;
  }
}

void LogFiles::write(File& file, const std::string& text, bool begin_file) {
  file.lines += static_cast<unsigned>(std::ranges::count(text, '\n'));
  file.pending += text;
  if (file.broken || (!begin_file && !file.fd)) {
    return;
  }
  try {
    if (!file.fd) {
      std::filesystem::create_directories(file.path.parent_path());
      file.fd = open_file(file.path.string(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    }
    write_full(file.fd.get(), file.pending, file.path.string());
  } catch (const std::exception&) {  // no space, no right: a log must not fail a build; the report says it is missing
    file.broken = true;
  }
  file.pending.clear();
}

std::optional<StepLog> LogFiles::step(ActivityId image, const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  const Step* best = nullptr;
  for (const auto& [id, step] : steps_) {
    if (step.name == name && (best == nullptr || step.image == image)) {
      best = &step;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  const auto& file = files_.at(best->image);
  return StepLog{file.broken ? "" : file.path.string(), best->line, {best->last.begin(), best->last.end()}};
}

std::vector<StepReason> LogFiles::reasons(ActivityId image) const {
  const std::scoped_lock lock(mutex_);
  std::vector<StepReason> reasons;
  for (const auto& [id, step] : steps_) {
    if (step.image == image && step.ran && step.kind == ActivityKind::step) {
      reasons.push_back({step.name, step.reason});
    }
  }
  return reasons;
}

}  // namespace dlc::cli
