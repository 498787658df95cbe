#include "buildspec/naming.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace dlc::buildspec {

BuildContext build_context(const Environment& environment) {
  const auto set = environment.find("BUILD_CONTEXT");
  const std::string_view name = set != environment.end() ? std::string_view(set->second) : "DEV";
  if (name == "PR") {
    return BuildContext::pull_request;
  }
  if (name == "MAINLINE") {
    return BuildContext::mainline;
  }
  return name == "NIGHTLY" ? BuildContext::nightly : BuildContext::dev;
}

std::string repository_in(BuildContext context, const std::string& repository) {
  if (context != BuildContext::mainline && context != BuildContext::nightly) {
    return repository;
  }
  constexpr std::string_view kFrom = "pr-";
  const std::string_view to = context == BuildContext::mainline ? "beta-" : "nightly-";
  const auto slash = repository.rfind('/');
  std::string result = repository;
  auto at = slash == std::string::npos ? 0 : slash + 1;
  while ((at = result.find(kFrom, at)) != std::string::npos) {
    result.replace(at, kFrom.size(), to);
    at += to.size();
  }
  return result;
}

std::string tag_suffix(BuildContext context, const Environment& environment) {
  if (context != BuildContext::pull_request) {
    return {};
  }
  if (const auto source = environment.find("CODEBUILD_SOURCE_VERSION"); source != environment.end()) {
    std::string name = source->second;
    std::replace(name.begin(), name.end(), '/', '-');
    return "-" + name;
  }
  if (const auto number = environment.find("PR_NUMBER"); number != environment.end()) {
    return "-pr-" + number->second;
  }
  throw Error(ErrorKind::usage, "BUILD_CONTEXT is PR, but the number of the pull request is not known")
      .hint("set CODEBUILD_SOURCE_VERSION=pr/NUMBER or PR_NUMBER=NUMBER, or unset BUILD_CONTEXT");
}

std::string date_suffix(std::int64_t now) {
  namespace chrono = std::chrono;
  const chrono::sys_seconds when{chrono::seconds(now)};
  const auto day = chrono::floor<chrono::days>(when);
  const chrono::year_month_day date{day};
  const auto clock = static_cast<int>((when - day).count());
  return fmt::format("-{:04}-{:02}-{:02}-{:02}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock / 3600,
                     clock / 60 % 60, clock % 60);
}

std::string short_name(const PlannedImage& image) {
  const auto slash = image.repository.rfind('/');
  return image.repository.substr(slash == std::string::npos ? 0 : slash + 1) + ":" + image.stable_tag;
}

std::string full_reference(const PlannedImage& image) {
  return image.repository + ":" + image.tag;
}

std::optional<std::string> unset_placeholder(std::string_view text) {
  constexpr std::string_view kStart = "<set-$";
  constexpr std::string_view kEnd = "-in-environment>";
  const auto start = text.find(kStart);
  if (start == std::string_view::npos) {
    return std::nullopt;
  }
  const auto rest = text.substr(start + kStart.size());
  const auto end = rest.find(kEnd);
  return end != std::string_view::npos ? std::optional(std::string(rest.substr(0, end))) : std::nullopt;
}

int Plan::selected() const {
  return static_cast<int>(
      std::count_if(images.begin(), images.end(), [](const auto& image) { return image.to_build; }));
}

Environment process_environment() {
  Environment environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return environment;
}

}  // namespace dlc::buildspec
