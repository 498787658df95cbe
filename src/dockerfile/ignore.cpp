#include "dockerfile/ignore.h"

#include <algorithm>

#include "base/error.h"
#include "dockerfile/path.h"
#include "dockerfile/pattern.h"
#include "dockerfile/syntax.h"
#include "dockerfile/text.h"

namespace dlc::dockerfile {
namespace {

struct Line {
  std::string text;  // cleaned, without "!"
  bool take_back = false;
  bool literal = false;  // no special character: compared as text
  Pattern pattern;

  [[nodiscard]] bool matches(std::string_view path) const { return literal ? text == path : pattern.matches(path); }
};

bool matches_path_or_parent(const Line& line, std::string_view path) {
  if (line.matches(path)) {
    return true;
  }
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    if (line.matches(path.substr(0, slash))) {
      return true;
    }
  }
  return false;
}

Line make_line(std::string_view written) {
  std::string_view text = trim(written);
  const bool take_back = text.starts_with('!');
  if (take_back) {
    text = trim(text.substr(1));
    if (text.empty()) {
      throw Error(ErrorKind::invalid, "illegal exclusion pattern: \"!\"");
    }
  }
  std::string cleaned = clean_path(text);
  if (cleaned.size() > 1 && cleaned.front() == '/') {
    cleaned.erase(0, 1);
  }
  if (!glob_is_valid(cleaned)) {
    throw Error(ErrorKind::invalid, "syntax error in pattern: " + quote(written));
  }
  const bool literal = cleaned.find_first_of("*?[\\") == std::string::npos;
  Pattern pattern(cleaned, Pattern::DoubleStar::directories);
  return Line{std::move(cleaned), take_back, literal, std::move(pattern)};
}

std::string_view take_component(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view first = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  return first;
}

// Whether the pattern could match `dir` itself, a parent of it or anything below.
bool may_match_below(const Line& line, std::string_view dir) {
  std::string_view pattern = line.text;
  while (!pattern.empty() && !dir.empty()) {
    const std::string_view part = take_component(pattern);
    const std::string_view name = take_component(dir);
    if (part.find("**") != std::string_view::npos) {
      return true;
    }
    if (!glob_match(part, name)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::string> parse_ignore_file(std::string_view text) {
  std::vector<std::string> patterns;
  if (text.starts_with("\xef\xbb\xbf")) {
    text.remove_prefix(3);
  }
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.starts_with('#')) {
      continue;
    }
    line = trim(line);
    if (line.empty()) {
      continue;
    }
    const bool take_back = line.starts_with('!');
    if (take_back) {
      line = trim(line.substr(1));
    }
    std::string cleaned = line.empty() ? std::string() : clean_path(line);
    if (cleaned.size() > 1 && cleaned.front() == '/') {
      cleaned.erase(0, 1);
    }
    patterns.push_back((take_back ? "!" : "") + cleaned);
  }
  return patterns;
}

bool glob_match(std::string_view pattern, std::string_view name) {
  return Pattern(pattern, Pattern::DoubleStar::ordinary).matches(name);
}

bool glob_is_valid(std::string_view pattern) {
  return Pattern(pattern, Pattern::DoubleStar::ordinary).valid();
}

struct IgnoreMatcher::Impl {
  std::vector<Line> lines;
};

IgnoreMatcher::IgnoreMatcher(const std::vector<std::string>& lines) : impl_(std::make_unique<Impl>()) {
  for (const std::string& line : lines) {
    if (!trim(line).empty()) {
      impl_->lines.push_back(make_line(line));
    }
  }
}

IgnoreMatcher::~IgnoreMatcher() = default;
IgnoreMatcher::IgnoreMatcher(IgnoreMatcher&&) noexcept = default;
IgnoreMatcher& IgnoreMatcher::operator=(IgnoreMatcher&&) noexcept = default;

bool IgnoreMatcher::empty() const noexcept {
  return impl_->lines.empty();
}

bool IgnoreMatcher::ignored(std::string_view path) const {
  // The last line that speaks of the path decides, so look from the end.
  const auto line = std::find_if(impl_->lines.rbegin(), impl_->lines.rend(),
                                 [&](const Line& candidate) { return matches_path_or_parent(candidate, path); });
  return line != impl_->lines.rend() && !line->take_back;
}

bool IgnoreMatcher::may_contain_included(std::string_view dir) const {
  return std::any_of(impl_->lines.begin(), impl_->lines.end(),
                     [&](const Line& line) { return line.take_back && may_match_below(line, dir); });
}

}  // namespace dlc::dockerfile
