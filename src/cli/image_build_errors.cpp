#include "cli/image_build_errors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "codec/base64.h"
#include "dockerfile/text.h"

namespace dlc::cli {

namespace {

constexpr std::size_t kTailLines = 10;
constexpr int kExhausted = 102;
constexpr int kCancelled = 130;

std::string with_newline(const std::string& text) {
  return text.empty() || text.ends_with('\n') ? text : text + "\n";
}

}  // namespace

void StepTails::on_event(const Event& event) noexcept {
  try {
    const std::scoped_lock lock(mutex_);
    handle(event);
  } catch (const std::exception&) {  // out of memory: the build itself will say so
  }
}

void StepTails::handle(const Event& event) {
  if (event.type == Event::Type::begin) {
    tails_[event.activity] = {event.name, event.when, {}};
  } else if (event.type == Event::Type::log || event.type == Event::Type::end) {
    const auto found = tails_.find(event.activity);
    if (found == tails_.end()) {
      return;
    }
    auto lines = event.type == Event::Type::log ? splitter_.add(event.activity, event.text)
                                                : std::vector<std::string>{splitter_.rest(event.activity)};
    for (const auto& line : lines) {
      if (event.type == Event::Type::log || !line.empty()) {
        found->second.lines.push_back(
            fmt::format("{:.3f} {}", seconds_between(found->second.begun, event.when), clean_line(line)));
      }
    }
    auto& kept = found->second.lines;
    if (kept.size() > kTailLines) {
      kept.erase(kept.begin(), kept.end() - static_cast<std::ptrdiff_t>(kTailLines));
    }
  }
}

std::string StepTails::block(const std::string& step) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, tail] : tails_) {
    if (tail.name == step && !tail.lines.empty()) {
      std::string text = "------\n > " + tail.name + ":\n";
      for (const auto& line : tail.lines) {
        text += line + "\n";
      }
      return text + "------\n";
    }
  }
  return {};
}

std::string render_docker_error(const Error& error) {
  std::string text;
  if (!error.where().file.empty()) {
    text = error.where().file;
    text += error.where().line > 0 ? fmt::format(":{}", error.where().line) : "";
    text += "\n";
  }
  text += with_newline(error.excerpt());
  text += fmt::format("ERROR: {}{}\n", error.kind() == ErrorKind::usage ? "" : "failed to solve: ", error.what());
  if (!error.hint().empty()) {
    text += fmt::format("  {}\n", error.hint());
  }
  return text;
}

int docker_exit_status(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::exhausted:
      return kExhausted;
    case ErrorKind::cancelled:
      return kCancelled;
    default:
      return 1;
  }
}

std::string render_warnings(const Diagnostics& diagnostics) {
  std::string text;
  for (const auto& finding : diagnostics.all()) {
    text += fmt::format(" - {}: {} (line {})\n", finding.rule, finding.message, finding.where.line);
  }
  if (text.empty()) {
    return text;
  }
  const auto number = diagnostics.all().size();
  return fmt::format("\n {} warning{} found (dlc image build --check shows {}):\n", number, number == 1 ? "" : "s",
                     number == 1 ? "it" : "them") +
         text;
}

namespace {

/// "JSONArgsRecommended": ".../json-args-recommended/".
std::string page_of(std::string_view rule) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::string page;
  for (std::size_t i = 0; i < rule.size(); ++i) {
    const bool starts_word =
        i > 0 && is_upper(rule[i]) && (!is_upper(rule[i - 1]) || (i + 1 < rule.size() && !is_upper(rule[i + 1])));
    page += starts_word ? "-" : "";
    page += dockerfile::lower(rule.substr(i, 1));
  }
  return "https://docs.docker.com/go/dockerfile/rule/" + page + "/";
}

}  // namespace

std::string render_check(const Diagnostics& diagnostics, const dockerfile::Dockerfile& file) {
  std::string text;
  for (const auto& finding : diagnostics.all()) {
    text += fmt::format("WARNING: {} - {}\n{}\n", finding.rule, page_of(finding.rule), finding.message);
    if (finding.where.line > 0) {
      text += fmt::format("{}:{}\n{}\n", finding.where.file, finding.where.line,
                          dockerfile::excerpt(file, {finding.where.line, finding.where.line}));
    }
    text += "\n";
  }
  const auto number = diagnostics.all().size();
  if (number == 0) {
    return "Check complete, no warnings found.\n";
  }
  return text + (number == 1 ? "Check complete, 1 warning has been found!\n"
                             : fmt::format("Check complete, {} warnings have been found!\n", number));
}

namespace {

using Json = nlohmann::ordered_json;

Json json_location(int line) {
  if (line <= 0) {
    return Json::object();
  }
  const Json position{{"line", line}};
  return {{"ranges", Json::array({{{"start", position}, {"end", position}}})}};
}

}  // namespace

std::string check_json(const Diagnostics& diagnostics, const std::string& name, const std::string& text,
                       const Error* error) {
  Json warnings = Json::array();
  for (const auto& finding : diagnostics.all()) {
    warnings.push_back({{"ruleName", finding.rule},
                        {"url", page_of(finding.rule)},
                        {"detail", finding.message},
                        {"location", json_location(finding.where.line)}});
  }
  const Json source{{"fileName", name}, {"language", "Dockerfile"}, {"data", codec::base64_encode(text)}};
  Json result{{"warnings", std::move(warnings)}, {"sources", Json::array({source})}};
  if (error != nullptr) {
    result["buildError"] = {{"message", error->what()}, {"location", json_location(error->where().line)}};
  }
  return json_text(result);
}

}  // namespace dlc::cli
