#include "cli/build_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/lines.h"
#include "base/printable.h"
#include "cli/failure_cause.h"
#include "cli/json_text.h"
#include "cli/progress_view.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

const char* person_word(ImageStatus status) {
  switch (status) {
    case ImageStatus::built:
      return "Success";
    case ImageStatus::up_to_date:
      return "Up to date";
    case ImageStatus::failed:
      return "Failed";
    case ImageStatus::not_started:
      return "Not started";
    case ImageStatus::interrupted:
      break;
  }
  return "Interrupted";
}

std::string thousands(std::int64_t number) {
  auto text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string size_text(const ImageOutcome& outcome) {
  const auto mib = verify::to_mib(outcome.bytes);
  const auto baseline = outcome.image->image_size_baseline;
  if (baseline <= 0) {
    return fmt::format("{} MiB", thousands(mib));
  }
  return fmt::format("{} MiB (baseline {} MiB, {} %)", thousands(mib), thousands(baseline), mib * 100 / baseline);
}

/// What a Dockerfile says, of any length and in many lines, as part of a line; the log has all of it.
std::string in_line(const std::string& text, std::size_t characters) {
  return cut(clean_line(squeezed(text)), characters);
}

constexpr std::size_t kShownStep = 90;
constexpr std::size_t kShownReason = 110;

std::string short_digest(const std::string& digest) {
  return digest.substr(0, 19);
}

/// "exit 1" of "...: exit code: 1", else the message without what is said elsewhere.
std::string short_failure(const ImageOutcome& outcome) {
  const auto& message = outcome.error->message();
  const auto at = message.rfind("exit code: ");
  const auto step = in_line(outcome.failed_step, kShownStep);
  if (!step.empty() && at != std::string::npos) {
    return step + "   exit " + message.substr(at + 11);
  }
  return step.empty() ? message : step + "   " + message;
}

std::string status_line(const ImageOutcome& outcome, std::size_t width) {
  auto line = fmt::format(" {:<{}}   {:<11}", outcome.name, width, person_word(outcome.status));
  if (outcome.status == ImageStatus::not_started) {
    return line + " " + outcome.reason + "\n";
  }
  line += fmt::format(" {:>6}", format_seconds(outcome.seconds));
  switch (outcome.status) {
    case ImageStatus::up_to_date:
      line += "   " + short_digest(outcome.manifest.digest.str());
      break;
    case ImageStatus::built:
      line += fmt::format("   {} of {} steps run   {}   {}", outcome.steps.run, outcome.total_steps, size_text(outcome),
                          short_digest(outcome.manifest.digest.str()));
      break;
    case ImageStatus::failed:
      line += "   " + short_failure(outcome);
      break;
    case ImageStatus::not_started:
    case ImageStatus::interrupted:
      break;
  }
  return line + "\n";
}

/// Why steps ran, where some were reused: otherwise everything ran, and there is nothing to explain.
std::string reasons_text(const ImageOutcome& outcome) {
  std::string text;
  if (outcome.status != ImageStatus::built || outcome.steps.cached == 0) {
    return text;
  }
  for (const auto& reason : outcome.reasons) {
    if (!reason.reason.empty()) {
      text += fmt::format("   {}: {}\n", in_line(reason.step, kShownStep), in_line(reason.reason, kShownReason));
    }
  }
  return text;
}

std::string indented(const std::string& text, const std::string& indent) {
  std::string result;
  for (const auto line : split_lines(text)) {
    result += fmt::format("{}{}\n", indent, line);
  }
  return result;
}

std::string growth_text(const verify::Growth& growth) {
  const bool grew = growth.bytes >= 0;
  const auto mib = verify::to_mib(static_cast<std::uint64_t>(grew ? growth.bytes : -growth.bytes));
  auto text = fmt::format("   {}{} MiB since the last build:", grew ? "+" : "-", thousands(mib));
  for (const auto& path : growth.paths) {
    text += fmt::format("  {} +{}", path.path, thousands(verify::to_mib(path.bytes)));
  }
  return text + "\n";
}

std::string size_details(const ImageOutcome& outcome) {
  const auto& size = outcome.size;
  std::string text = outcome.growth ? growth_text(*outcome.growth) : "";
  for (const auto& layer : size.layers) {
    text += fmt::format("   layer {:<3} {:>6} MiB  {}\n", layer.number, thousands(verify::to_mib(layer.bytes)),
                        in_line(layer.made_by, kShownStep));
  }
  for (const auto& path : size.paths) {
    text +=
        fmt::format("   {:>16} MiB  {}  (layer {})\n", thousands(verify::to_mib(path.bytes)), path.path, path.layer);
  }
  return text + "   accept it with: dlc plan --update-baselines\n";
}

std::string error_text(const ImageOutcome& outcome, std::size_t width) {
  const auto& error = *outcome.error;
  auto text = status_line(outcome, width);
  std::vector<std::string> lines;
  if (outcome.failed_log) {
    lines = outcome.failed_log->last;
    for (const auto& line : lines) {
      text += "   | " + line + "\n";
    }
  }
  if (outcome.size.over) {
    return text + size_details(outcome);
  }
  text += fmt::format("   error   {}\n", error.what());
  if (!error.where().file.empty()) {
    text += fmt::format("   at      {}:{}\n", error.where().file, error.where().line);
  }
  if (!error.excerpt().empty()) {
    text += indented(error.excerpt(), "   ");
  }
  if (outcome.failed_log && !outcome.failed_log->file.empty()) {
    text += fmt::format("   log     {}:{}\n", outcome.failed_log->file, outcome.failed_log->line);
  }
  if (const auto cause = find_cause(error.what(), lines)) {
    text += fmt::format("   likely  {}\n", cause->likely);
    if (!cause->hint.empty()) {
      text += fmt::format("   try     {}\n", cause->hint);
    }
  }
  if (!error.hint().empty()) {
    text += fmt::format("   hint    {}\n", error.hint());
  }
  return text;
}

struct Counts {
  unsigned built = 0, up_to_date = 0, failed = 0, not_started = 0, interrupted = 0, run = 0, cached = 0;
};

Counts count_all(const std::vector<ImageOutcome>& outcomes) {
  Counts counts;
  for (const auto& outcome : outcomes) {
    switch (outcome.status) {
      case ImageStatus::built:
        ++counts.built;
        break;
      case ImageStatus::up_to_date:
        ++counts.up_to_date;
        break;
      case ImageStatus::failed:
        ++counts.failed;
        break;
      case ImageStatus::not_started:
        ++counts.not_started;
        break;
      case ImageStatus::interrupted:
        ++counts.interrupted;
        break;
    }
    counts.run += outcome.steps.run;
    counts.cached += outcome.steps.cached;
  }
  return counts;
}

std::string summary_text(const std::vector<ImageOutcome>& outcomes, const ReportContext& context) {
  const auto counts = count_all(outcomes);
  auto text = fmt::format(" {} built, {} failed", counts.built, counts.failed);
  const auto add = [&](unsigned number, const char* what) {
    text += number > 0 ? fmt::format(", {} {}", number, what) : "";
  };
  add(counts.up_to_date, "up to date");
  add(counts.not_started, "not started");
  add(counts.interrupted, "interrupted");
  add(static_cast<unsigned>(context.not_selected), "not selected");
  text += context.left_out.empty() ? "" : fmt::format(" ({} for what they require)", context.left_out.size());
  text += fmt::format("; {} steps run, {} reused; {}\n", counts.run, counts.cached, format_seconds(context.seconds));
  for (const auto& outcome : outcomes) {
    if (outcome.status == ImageStatus::built || outcome.status == ImageStatus::up_to_date) {
      text += fmt::format(" next: dlc run {0} python3   ·   dlc image push {0} …\n", outcome.name);
      break;
    }
  }
  return text;
}

Json error_json(const ImageOutcome& outcome) {
  const auto& error = *outcome.error;
  Json json{{"message", error.what()}};
  if (!error.where().file.empty()) {
    json["file"] = error.where().file;
    json["line"] = error.where().line;
  }
  if (!error.hint().empty()) {
    json["hint"] = error.hint();
  }
  if (!outcome.failed_step.empty()) {
    json["step"] = outcome.failed_step;
  }
  std::vector<std::string> lines;
  if (outcome.failed_log) {
    lines = outcome.failed_log->last;
    json["log"] = {{"file", outcome.failed_log->file}, {"line", outcome.failed_log->line}, {"last", lines}};
  }
  if (const auto cause = find_cause(error.what(), lines)) {
    json["cause"] = {{"rule", cause->rule}, {"likely", cause->likely}, {"hint", cause->hint}};
  }
  return json;
}

Json outcome_json(const ImageOutcome& outcome) {
  const auto& image = *outcome.image;
  Json json{{"name", outcome.name},
            {"image", image.name},
            {"buildspec", image.buildspec},
            {"reference", buildspec::full_reference(image)},
            {"status", status_word(outcome.status)}};
  if (!outcome.reason.empty()) {
    json["reason"] = outcome.reason;
  }
  if (!outcome.manifest.digest.is_zero()) {
    json["digest"] = outcome.manifest.digest.str();
    json["config"] = outcome.config.str();
    json["size"] = outcome.bytes;
  }
  json["baseline_mib"] = image.image_size_baseline;
  json["steps"] = {{"run", outcome.steps.run}, {"cached", outcome.steps.cached}, {"total", outcome.total_steps}};
  json["ran"] = Json::array();
  for (const auto& reason : outcome.reasons) {
    json["ran"].push_back({{"step", reason.step}, {"reason", reason.reason}});
  }
  json["seconds"] = outcome.seconds;
  json["log"] = outcome.log;
  if (outcome.error) {
    json["error"] = error_json(outcome);
  }
  return json;
}

}  // namespace

const char* status_word(ImageStatus status) {
  switch (status) {
    case ImageStatus::built:
      return "built";
    case ImageStatus::up_to_date:
      return "up-to-date";
    case ImageStatus::failed:
      return "failed";
    case ImageStatus::not_started:
      return "not-started";
    case ImageStatus::interrupted:
      break;
  }
  return "interrupted";
}

std::string interrupted_line(unsigned kept, unsigned total) {
  if (total == 0) {
    return "interrupted; what was finished is kept, the same command goes on from there\n";
  }
  return fmt::format("interrupted; {} of {} steps are kept, the same command goes on from there\n", kept, total);
}

std::string interrupted_line(const std::vector<ImageOutcome>& outcomes) {
  unsigned total = 0;
  unsigned kept = 0;
  for (const auto& outcome : outcomes) {
    total += outcome.total_steps;
    kept += outcome.steps.run + outcome.steps.cached;
  }
  return interrupted_line(kept, total);
}

std::vector<LeftOut> left_out_of(const buildspec::Plan& plan) {
  std::vector<LeftOut> found;
  for (const auto& image : plan.images) {
    if (image.left_out) {
      found.push_back({.name = buildspec::short_name(image), .reason = *image.left_out});
    }
  }
  return found;
}

std::string render_report(const std::vector<ImageOutcome>& outcomes, const ReportContext& context) {
  std::size_t width = 0;
  for (const auto& outcome : outcomes) {
    width = std::max(width, outcome.name.size());
  }
  for (const auto& image : context.left_out) {
    width = std::max(width, image.name.size());
  }
  const bool quiet = std::ranges::all_of(
      outcomes, [](const ImageOutcome& outcome) { return outcome.status == ImageStatus::up_to_date; });
  std::string text = quiet ? "" : "Status\n";
  std::string logs;
  std::string errors;
  for (const auto& outcome : outcomes) {
    text += status_line(outcome, width) + reasons_text(outcome);
    if (!outcome.log.empty() && outcome.status != ImageStatus::up_to_date) {
      logs += fmt::format(" {:<{}}   {}\n", outcome.name, width, outcome.log);
    }
    if (outcome.error && outcome.status == ImageStatus::failed) {
      errors += error_text(outcome, width);
    }
  }
  for (const auto& image : context.left_out) {
    text += fmt::format(" {:<{}}   Left out    {}\n", image.name, width, image.reason);
  }
  if (quiet) {
    return text;
  }
  text += "Build Logs\n" + logs;
  text += "Summary\n" + summary_text(outcomes, context);
  return text + "Errors\n" + (errors.empty() ? " No errors\n" : errors);
}

std::string render_json(const std::vector<ImageOutcome>& outcomes, const ReportContext& context) {
  const auto counts = count_all(outcomes);
  Json json{{"schema", 1},
            {"built", counts.built},
            {"up_to_date", counts.up_to_date},
            {"failed", counts.failed},
            {"not_started", counts.not_started},
            {"interrupted", counts.interrupted},
            {"not_selected", context.not_selected},
            {"seconds", context.seconds},
            {"left_out", Json::array()},
            {"images", Json::array()}};
  for (const auto& image : context.left_out) {
    json["left_out"].push_back({{"name", image.name}, {"reason", image.reason}});
  }
  for (const auto& outcome : outcomes) {
    json["images"].push_back(outcome_json(outcome));
  }
  return json_text(json);
}

}  // namespace dlc::cli
