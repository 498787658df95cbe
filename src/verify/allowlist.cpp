#include "verify/allowlist.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "build/toml_tables.h"
#include "contents/text_lines.h"
#include "dockerfile/pattern.h"

namespace dlc::verify {

namespace {

using dockerfile::Pattern;

const ImageRule* find_rule(std::string_view id) {
  const auto rules = image_rules();
  const auto found = std::ranges::find_if(rules, [&](const auto& rule) { return id == rule.id || id == rule.name; });
  return found == rules.end() ? nullptr : &*found;
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') {
    return false;
  }
  int parts[3] = {0, 0, 0};
  for (std::size_t i = 0, part = 0; i < text.size(); ++i) {
    if (i == 4 || i == 7) {
      ++part;
    } else if (text[i] < '0' || text[i] > '9') {
      return false;
    } else {
      parts[part] = parts[part] * 10 + (text[i] - '0');
    }
  }
  return std::chrono::year_month_day(std::chrono::year(parts[0]), std::chrono::month(static_cast<unsigned>(parts[1])),
                                     std::chrono::day(static_cast<unsigned>(parts[2])))
      .ok();
}

Exception parse_exception(const build::TomlTable& table) {
  Exception result;
  result.where = table.where;
  for (const auto& [key, value] : table.entries) {
    std::string* target = key == "rule"      ? &result.rule
                          : key == "path"    ? &result.path
                          : key == "reason"  ? &result.reason
                          : key == "expires" ? &result.expires
                          : key == "image"   ? &result.image
                                             : nullptr;
    if (target == nullptr) {
      throw value.wrong("unknown key " + key).hint("rule, path, reason, expires, image");
    }
    if (!value.text || contents::trim(*value.text).empty()) {
      throw value.wrong(key + " must be a text in quotes, and not blank");
    }
    *target = *value.text;
    if (key == "expires" && !is_date(*target)) {
      throw value.wrong("expires must be a date such as \"2027-01-31\"");
    }
    if (key == "rule") {
      const auto* rule = find_rule(*target);
      if (rule == nullptr || rule->check == nullptr) {
        throw value.wrong("no rule " + *target).hint("dlc image check --list shows them");
      }
      *target = rule->id;
    }
    if ((key == "path" || key == "image") && !Pattern(*target, Pattern::DoubleStar::directories).valid()) {
      throw value.wrong(key + " is no valid pattern");
    }
  }
  for (const auto& [name, value] :
       {std::pair{"rule", &result.rule}, std::pair{"reason", &result.reason}, std::pair{"expires", &result.expires}}) {
    if (value->empty()) {
      throw table.wrong(std::string("the exception has no ") + name);
    }
  }
  return result;
}

bool matches(const std::string& pattern, std::string_view text) {
  return Pattern(pattern, Pattern::DoubleStar::directories).matches(text);
}

Finding about(const Exception& exception, const char* rule, Severity severity, const std::string& message) {
  return {.rule = rule,
          .severity = severity,
          .path = {},
          .message = fmt::format("{}:{}: {}", exception.where.file, exception.where.line, message),
          .allowed = {}};
}

std::string shown(const Exception& exception) {
  return exception.rule + (exception.path.empty() ? "" : " " + exception.path);
}

}  // namespace

std::vector<Exception> parse_allowlist(std::string_view text, const std::string& file) {
  std::vector<Exception> exceptions;
  for (const auto& table : build::parse_toml_tables(text, file, "allow")) {
    exceptions.push_back(parse_exception(table));
  }
  return exceptions;
}

void apply_allowlist(std::vector<Finding>& findings, std::span<const Exception> exceptions, std::string_view image,
                     std::string_view today, std::size_t most, const std::function<bool(const ImageRule&)>& chosen) {
  std::vector<Finding> added;
  for (const auto& exception : exceptions) {
    if ((!exception.image.empty() && !matches(exception.image, image)) || !chosen(*find_rule(exception.rule))) {
      continue;
    }
    if (std::string_view(exception.expires) < today) {
      added.push_back(about(exception, "DLC090", Severity::error,
                            fmt::format("the exception for {} ended on {}", shown(exception), exception.expires)));
      continue;
    }
    bool used = false;
    for (auto& finding : findings) {
      if (finding.rule == exception.rule &&
          (exception.path.empty() ? finding.path.empty() : matches(exception.path, finding.path))) {
        used = true;
        finding.allowed = exception.reason;
      }
    }
    if (!used) {
      added.push_back(about(exception, "DLC091", Severity::warning,
                            fmt::format("the exception for {} covers nothing", shown(exception))));
    }
  }
  const auto covered = std::ranges::count_if(findings, [](const auto& finding) { return !finding.allowed.empty(); });
  if (static_cast<std::size_t>(covered) > most) {
    added.push_back({.rule = "DLC092",
                     .severity = Severity::error,
                     .path = {},
                     .message = fmt::format("exceptions cover {} findings, more than {}", covered, most),
                     .allowed = {}});
  }
  std::erase_if(added, [&](const auto& finding) { return !chosen(*find_rule(finding.rule)); });
  findings.insert(findings.end(), added.begin(), added.end());
}

}  // namespace dlc::verify
