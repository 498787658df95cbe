#include "cli/build_metrics.h"

#include <fmt/format.h>

#include <functional>

namespace dlc::cli {

namespace {

/// A label's value: backslash, quote and newline are escaped.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') {
      result += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') {
      result += '\\';
    }
    result += c;
  }
  return result;
}

std::string labels_of(const ImageOutcome& outcome, std::string_view context) {
  const auto& image = *outcome.image;
  return fmt::format(
      "image=\"{}\",buildspec=\"{}\",build_context=\"{}\",framework=\"{}\",version=\"{}\",device_type=\"{}\","
      "python_version=\"{}\",image_type=\"{}\"",
      escaped(outcome.name), escaped(image.buildspec), escaped(context), escaped(image.framework),
      escaped(image.version), escaped(image.device_type), escaped(image.python_version), escaped(image.image_type));
}

}  // namespace

std::string metrics_text(const std::vector<ImageOutcome>& outcomes, std::string_view build_context) {
  struct Metric {
    const char* name;
    const char* help;
    std::function<std::string(const ImageOutcome&)> value;  // empty: this image has none
  };
  const Metric metrics[] = {
      {"dlc_image_build_seconds", "Time from the start of the image to its end.",
       [](const auto& outcome) { return outcome.started == 0 ? "" : fmt::format("{:.3f}", outcome.seconds); }},
      {"dlc_image_build_success", "1: the image is in the store; 0: it is not.",
       [](const auto& outcome) {
         const bool there = outcome.status == ImageStatus::built || outcome.status == ImageStatus::up_to_date;
         return std::string(there ? "1" : "0");
       }},
      {"dlc_image_size_bytes", "Uncompressed layers together.",
       [](const auto& outcome) { return outcome.bytes == 0 ? "" : std::to_string(outcome.bytes); }},
      {"dlc_image_steps_run", "Steps that ran.", [](const auto& outcome) { return std::to_string(outcome.steps.run); }},
      {"dlc_image_steps_cached", "Steps whose results were reused.",
       [](const auto& outcome) { return std::to_string(outcome.steps.cached); }},
  };
  std::string text;
  for (const auto& metric : metrics) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", metric.name, metric.help);
    for (const auto& outcome : outcomes) {
      if (const auto value = metric.value(outcome); !value.empty()) {
        text += fmt::format("{}{{{}}} {}\n", metric.name, labels_of(outcome, build_context), value);
      }
    }
  }
  return text;
}

}  // namespace dlc::cli
