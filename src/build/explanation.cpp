#include "build/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "codec/digest.h"

namespace dlc::build {

namespace {

constexpr std::size_t kLongestText = 16U << 10;
constexpr std::size_t kShownDigest = 4;
constexpr std::string_view kFile = "file ";
constexpr std::string_view kOptions = "options of the step";

std::string bounded(const std::string& text) {
  return text.size() <= kLongestText ? text : "sha256 " + codec::sha256(text).hex();
}

void add_inline_files(KeyParts& parts, const std::vector<InlineFile>& files) {
  for (const auto& file : files) {
    parts.emplace_back("heredoc " + file.name, bounded(file.data));
  }
}

std::string text_of(const RunOp& op) {
  const bool shell = op.argv.size() == 3 && op.argv[1] == "-c";
  if (shell) {
    return op.argv[2];
  }
  std::string text;
  for (const auto& word : op.argv) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

std::string text_of(const CopyOp& op) {
  std::string text;
  for (const auto& source : op.sources) {
    text += source.path + " ";
  }
  return text + op.dest;
}

bool is_digest(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShownText = 60;
  if (is_digest(text)) {
    return fmt::format("{}…", text.substr(0, kShownDigest));
  }
  const auto first = text.substr(0, text.find('\n'));
  const auto line = cut(first, kShownText);
  const bool more = line == first && first.size() < text.size();
  return "\"" + line + (more ? "…" : "") + "\"";
}

std::map<std::string, std::string, std::less<>> parse_parts(const std::string& text) {
  std::map<std::string, std::string, std::less<>> parts;
  const auto list = nlohmann::json::parse(text, nullptr, false);
  for (const auto& part : list.is_array() ? list : nlohmann::json::array()) {
    if (part.is_array() && part.size() == 2 && part[0].is_string() && part[1].is_string()) {
      parts.emplace(part[0].get<std::string>(), part[1].get<std::string>());
    }
  }
  return parts;
}

/// What a person wants to hear first: a file says more than "content of .", and everything more than "before".
int rank(std::string_view part) {
  if (part == kStepBefore) {
    return 4;
  }
  if (part == kOptions) {
    return 3;
  }
  return part.starts_with("content of ") ? 2 : (part.starts_with(kFile) ? 1 : 0);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Longest common subsequence of the middle parts; their sizes are bounded by the caller.
std::vector<std::string> difference(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  std::vector<std::vector<unsigned>> common(a.size() + 1, std::vector<unsigned>(b.size() + 1));
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      common[i][j] = a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::vector<std::string> lines;
  for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i;
      ++j;
    } else if (i < a.size() && (j == b.size() || common[i + 1][j] >= common[i][j + 1])) {
      lines.push_back("-" + std::string(a[i++]));
    } else {
      lines.push_back("+" + std::string(b[j++]));
    }
  }
  return lines;
}

}  // namespace

KeyParts operation_parts(const Op& op, const std::string& canonical) {
  KeyParts parts;
  if (const auto* run = std::get_if<RunOp>(&op)) {
    parts.emplace_back("instruction", bounded(text_of(*run)));
    add_inline_files(parts, run->inline_files);
    for (const auto& variable : run->env) {
      const auto equals = std::min(variable.find('='), variable.size());
      parts.emplace_back("variable " + variable.substr(0, equals),
                         bounded(variable.substr(std::min(equals + 1, variable.size()))));
    }
    parts.emplace_back("working directory", run->cwd);
    parts.emplace_back("user", run->user);
  } else if (const auto* copy = std::get_if<CopyOp>(&op)) {
    parts.emplace_back("instruction", bounded(text_of(*copy)));
    add_inline_files(parts, copy->inline_files);
    parts.emplace_back("--chown", copy->chown);
    parts.emplace_back("--chmod", copy->chmod);
  } else if (const auto* directory = std::get_if<MakeDirectoryOp>(&op)) {
    parts.emplace_back("instruction", directory->path);
    parts.emplace_back("user", directory->user);
  }
  parts.emplace_back(kOptions, codec::sha256(canonical).hex());
  return parts;
}

std::vector<Change> compare_parts(const std::string& before, const KeyParts& now) {
  auto old = parse_parts(before);
  std::vector<Change> changes;
  if (old.empty()) {
    return changes;
  }
  for (const auto& [name, value] : now) {
    const auto known = old.find(name);
    if (known == old.end()) {
      changes.push_back({.part = name, .before = "", .after = value});
      continue;
    }
    if (known->second != value) {
      changes.push_back({.part = name, .before = known->second, .after = value});
    }
    old.erase(known);
  }
  for (const auto& [name, value] : old) {
    changes.push_back({.part = name, .before = value, .after = ""});
  }
  std::ranges::stable_sort(changes, {}, [](const Change& change) { return rank(change.part); });
  // What is said in general goes where something in particular says it.
  const auto particular = [&](int most) {
    return std::ranges::any_of(changes, [most](const Change& change) { return rank(change.part) < most; });
  };
  if (std::ranges::any_of(changes, [](const Change& change) { return change.part.starts_with(kFile); })) {
    std::erase_if(changes, [](const Change& change) { return change.part.starts_with("content of "); });
  }
  if (particular(rank(kOptions))) {
    std::erase_if(changes, [](const Change& change) { return change.part == kOptions; });
  }
  return changes;
}

std::string describe(const Change& change) {
  if (change.part == kStepBefore || change.part == kOptions) {
    return change.part + (change.part == kOptions ? " changed (mounts, network, times or the like)" : " changed");
  }
  if (change.part.starts_with(kFile)) {
    const auto name = change.part.substr(kFile.size());
    if (change.before.empty() || change.after.empty()) {
      return name + (change.before.empty() ? " is new" : " is gone");
    }
    const auto before = file_digest_of(change.part, change.before);
    const auto after = file_digest_of(change.part, change.after);
    if (before && after && *before != *after) {
      return fmt::format("{} changed (sha256 {} → {})", name, shown(*before), shown(*after));
    }
    const auto brief = [](const std::string& value) {
      return value.starts_with("-> ") ? value : value.substr(0, value.find(' '));
    };
    return fmt::format("{} changed ({} → {})", name, brief(change.before), brief(change.after));
  }
  if (change.before.empty() && change.after.empty()) {
    return change.part + " changed";
  }
  if (change.before.empty()) {
    return is_digest(change.after) ? change.part + " is new" : change.part + " is new: " + shown(change.after);
  }
  if (change.after.empty()) {
    return change.part + " is gone";
  }
  return fmt::format("{} changed ({}{} → {})", change.part, is_digest(change.before) ? "sha256 " : "",
                     shown(change.before), shown(change.after));
}

std::string explain_difference(const std::string& before, const KeyParts& now) {
  const auto changes = compare_parts(before, now);
  return changes.empty() ? "" : describe(changes.front());
}

std::string to_json(const KeyParts& parts) {
  auto list = nlohmann::json::array();
  for (const auto& [name, value] : parts) {
    list.push_back({name, value});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<std::string> file_digest_of(std::string_view part, std::string_view value) {
  const auto blank = value.rfind(' ');
  if (!part.starts_with(kFile) || blank == std::string_view::npos || !is_digest(value.substr(blank + 1))) {
    return std::nullopt;
  }
  return std::string(value.substr(blank + 1));
}

std::vector<std::string> changed_lines(std::string_view before, std::string_view after) {
  constexpr std::size_t kMostLines = 2000;  // the table below is their square
  auto a = lines_of(before);
  auto b = lines_of(after);
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a.pop_back();
    b.pop_back();
  }
  const auto common = static_cast<std::ptrdiff_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  a.erase(a.begin(), a.begin() + common);
  b.erase(b.begin(), b.begin() + common);
  if (a.size() > kMostLines || b.size() > kMostLines) {
    return {};
  }
  return difference(a, b);
}

std::vector<std::string> memory_names(const std::string& image, const std::string& step) {
  // "[train 3/9] RUN pip install ...": the numbers change with every inserted line, the text with every edit
  const auto close = step.starts_with('[') ? step.find("] ") : std::string::npos;
  const auto place = close == std::string::npos ? std::string() : step.substr(0, close + 1);
  const auto text = close == std::string::npos ? step : step.substr(close + 2);
  const auto stage = place.rfind(' ') == std::string::npos ? std::string() : place.substr(1, place.rfind(' ') - 1);
  std::vector<std::string> names{image + "\n" + stage + "\n" + text};
  if (!place.empty()) {
    const auto kind = text.substr(0, text.find(' '));
    names.push_back(image + "\n" + place.substr(0, place.find('/')) + " " + kind);
  }
  names.push_back("\n" + stage + "\n" + text);
  return names;
}

}  // namespace dlc::build
