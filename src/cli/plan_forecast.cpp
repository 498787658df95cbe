#include "cli/plan_forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "build/image_resolver.h"
#include "build/remote_file.h"
#include "cli/image_lowering.h"
#include "cli/progress_view.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;
using State = build::StepForecast::State;
using Resolved = std::shared_ptr<const build::ResolvedImage>;

/// Stands for an image that is not known: no key over it is found.
Resolved unknown_image(const std::string& name, oci::ImageConfig config) {
  config.diff_ids = {codec::sha256("an image that is not here: " + name)};
  return std::make_shared<build::ResolvedImage>(build::ResolvedImage{.name = name,
                                                                     .manifest_digest = {},
                                                                     .manifest = {},
                                                                     .config = std::move(config),
                                                                     .origin = "unknown",
                                                                     .origin_location = {}});
}

class Forecasts {
 public:
  Forecasts(const buildspec::Plan& plan, const std::filesystem::path& root, store::Store& store)
      : plan_(plan),
        root_(root),
        store_(store),
        finder_(store, bus_, {.pull = build::PullPolicy::never, .bases_file = bases_of(root), .make_bases = false},
                {}) {}

  std::vector<ImageForecast> run() {
    std::vector<ImageForecast> forecasts;
    for (const auto& image : plan_.images) {  // parents stand above their children
      if (image.to_build) {
        forecasts.push_back(one(image));
      }
    }
    return forecasts;
  }

 private:
  ImageForecast one(const buildspec::PlannedImage& image) {
    ImageForecast result{.image = &image, .error = {}, .steps = {}, .base_missing = false};
    const auto parent = parent_of(plan_, image);
    std::map<std::string, std::string> absent;
    const auto resolver = [&](const std::string& name, const oci::Platform& platform) {
      return resolve(name, platform, absent);
    };
    try {
      ImageLowering lowering{.root = root_, .parent = parent};
      for (const auto& download : image.downloads) {
        if (auto file = build::known_remote_file(download.uri, store_)) {
          lowering.downloads[download.uri] = std::move(*file);
        }
      }
      const auto target = lower_image(image, lowering, resolver, graph_);
      const auto probed = build::probe(graph_, {&target, 1}, store_).front();
      for (auto& step : build::forecast(graph_, target, probed, absent, store_)) {
        const auto cause = step.cause ? graph_.at(*step.cause).name : std::string();
        result.steps.push_back({.name = graph_.at(step.vertex).name, .step = std::move(step), .cause = cause});
      }
      result.base_missing = std::ranges::any_of(absent, [&](const auto& base) { return !made_.contains(base.first); });
      made_.insert_or_assign(target.name, as_base(target, probed));
    } catch (const Error& error) {
      result.error = error;
    }
    return result;
  }

  /// An image of this run for the images that are based on it.
  Resolved as_base(const build::ImageTarget& target, const build::ProbedTarget& probed) {
    auto config = target.config;
    if (!probed.chain) {
      return unknown_image(target.name, std::move(config));
    }
    const auto* base = base_of(target.root);
    config.diff_ids.clear();
    if (store_.layers().find(*probed.chain)) {
      for (const auto& layer : store_.layers().chain(*probed.chain)) {
        config.diff_ids.push_back(layer.diff_id);
      }
    } else if (base != nullptr) {
      config.diff_ids = base->config.diff_ids;  // an image without steps of its own
    }
    return std::make_shared<build::ResolvedImage>(build::ResolvedImage{.name = target.name,
                                                                       .manifest_digest = {},
                                                                       .manifest = {},
                                                                       .config = std::move(config),
                                                                       .origin = "store",
                                                                       .origin_location = {}});
  }

  [[nodiscard]] const build::ResolvedImage* base_of(build::VertexId id) const {
    while (!graph_.at(id).inputs.empty()) {
      id = graph_.at(id).inputs[0];
    }
    const auto* op = std::get_if<build::ImageOp>(&graph_.at(id).op);
    return op == nullptr ? nullptr : op->image.get();
  }

  Resolved resolve(const std::string& name, const oci::Platform& platform, std::map<std::string, std::string>& absent) {
    if (const auto made = made_.find(name); made != made_.end()) {
      if (made->second->origin == "unknown") {
        absent.emplace(name, "the image it is based on changes first: " + name);
      }
      return made->second;
    }
    try {
      return finder_.resolve(name, platform);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found) {
        throw;
      }
      absent.emplace(name, name + " is not in the store yet");
      oci::ImageConfig config;
      config.platform = platform;
      return unknown_image(name, std::move(config));
    }
  }

  const buildspec::Plan& plan_;
  const std::filesystem::path& root_;
  store::Store& store_;
  EventBus bus_;
  build::ImageFinder finder_;
  build::Graph graph_;
  std::map<std::string, Resolved> made_;  // by short name
};

bool open_ended(const ForecastStep& step) {
  return step.step.state != State::cached && !step.step.cost_ms;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
  return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

/// "(+1 line: graphviz==0.8.4)"; more lines come below.
std::string lines_in_short(const std::vector<std::string>& lines) {
  const auto added = std::ranges::count_if(lines, [](const std::string& line) { return line[0] == '+'; });
  const auto removed = static_cast<std::ptrdiff_t>(lines.size()) - added;
  std::string text;
  if (added > 0) {
    text += fmt::format("+{} line{}", added, added == 1 ? "" : "s");
  }
  if (removed > 0) {
    text += fmt::format("{}-{} line{}", text.empty() ? "" : ", ", removed, removed == 1 ? "" : "s");
  }
  return lines.size() == 1 ? fmt::format("{}: {}", text, clean_line(lines.front().substr(1))) : text;
}

std::string change_text(const build::ForecastChange& change) {
  constexpr std::size_t kShownLines = 20;
  auto text = change.text;
  if (change.lines.empty()) {
    return "      " + text + "\n";
  }
  text = fmt::format("      {}  ({})\n", text, lines_in_short(change.lines));
  for (std::size_t i = 0; i < change.lines.size() && change.lines.size() > 1; ++i) {
    if (i == kShownLines) {
      return text + fmt::format("        … {} more\n", change.lines.size() - kShownLines);
    }
    text += "        " + clean_line(change.lines[i]) + "\n";
  }
  return text;
}

std::string step_text(const ForecastStep& step, std::size_t width) {
  const auto& forecast = step.step;
  const char* word = forecast.state == State::cached ? "cached" : forecast.state == State::open ? "open" : "will run";
  auto text = fmt::format("{:<{}}  {}", clean_line(step.name), width, word);
  if (forecast.state == State::will_run && forecast.cost_ms) {
    text += fmt::format(", {} the last time", format_seconds(static_cast<double>(*forecast.cost_ms) / 1000));
  }
  text += "\n";
  for (const auto& change : forecast.changes) {
    text += change_text(change);
  }
  if (!step.cause.empty()) {
    text += "      because of " + clean_line(step.cause) + "\n";
  }
  if (!forecast.note.empty()) {
    text += "      " + clean_line(forecast.note) + "\n";
  }
  return text;
}

Json step_json(const ForecastStep& step) {
  const auto& forecast = step.step;
  Json json{{"step", step.name},
            {"state", forecast.state == State::cached ? "cached"
                      : forecast.state == State::open ? "open"
                                                      : "will-run"},
            {"last_ms", forecast.cost_ms ? Json(*forecast.cost_ms) : Json(nullptr)},
            {"changes", Json::array()},
            {"because_of", step.cause.empty() ? Json(nullptr) : Json(step.cause)},
            {"note", forecast.note.empty() ? Json(nullptr) : Json(forecast.note)}};
  for (const auto& change : forecast.changes) {
    json["changes"].push_back({{"what", change.change.part},
                               {"before", change.change.before},
                               {"after", change.change.after},
                               {"lines", change.lines}});
  }
  return json;
}

}  // namespace

std::size_t ImageForecast::cached() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(steps, [](const ForecastStep& step) { return step.step.state == State::cached; }));
}

double ImageForecast::seconds() const {
  std::uint64_t sum = 0;
  for (const auto& step : steps) {
    sum += step.step.state == State::cached ? 0 : step.step.cost_ms.value_or(0);
  }
  return static_cast<double>(sum) / 1000;
}

bool ImageForecast::complete() const {
  return !base_missing && std::ranges::none_of(steps, open_ended);
}

std::vector<ImageForecast> forecast_plan(const buildspec::Plan& plan, const std::filesystem::path& root,
                                         store::Store& store) {
  return Forecasts(plan, root, store).run();
}

double seconds_together(const std::vector<ImageForecast>& forecasts) {
  std::map<build::VertexId, std::uint64_t> costs;
  for (const auto& forecast : forecasts) {
    for (const auto& step : forecast.steps) {
      if (step.step.state != State::cached) {
        costs.emplace(step.step.vertex, step.step.cost_ms.value_or(0));
      }
    }
  }
  std::uint64_t sum = 0;
  for (const auto& [vertex, cost] : costs) {
    sum += cost;
  }
  return static_cast<double>(sum) / 1000;
}

std::string together_text(const std::vector<ImageForecast>& forecasts) {
  const bool all_known = std::ranges::all_of(
      forecasts, [](const ImageForecast& forecast) { return !forecast.error && forecast.complete(); });
  const auto seconds = seconds_together(forecasts);
  return seconds <= 0 ? ""
                      : fmt::format("about {}{} for what is not in the store, a step that several images need once",
                                    duration_text(seconds), all_known ? "" : "+");
}

std::string cached_text(const ImageForecast& forecast) {
  return forecast.error ? "?" : fmt::format("{}/{}", forecast.cached(), forecast.steps.size());
}

std::string estimate_text(const ImageForecast& forecast) {
  const bool nothing_known = std::ranges::all_of(
      forecast.steps, [](const ForecastStep& step) { return step.step.state != State::cached && open_ended(step); });
  if (forecast.error || (nothing_known && !forecast.steps.empty())) {
    return "?";
  }
  return duration_text(forecast.seconds()) + (forecast.complete() ? "" : "+");
}

std::string why_text(const ImageForecast& forecast) {
  const auto& image = *forecast.image;
  auto text = fmt::format("{}  {}\n", image.name, buildspec::short_name(image));
  if (forecast.error) {
    const auto& where = forecast.error->where();
    text += where.file.empty() ? "" : fmt::format("{}:{}: ", where.file, where.line);
    return text + std::string(forecast.error->what()) + "\n";
  }
  std::size_t width = 0;
  for (const auto& step : forecast.steps) {
    width = std::max(width, std::min<std::size_t>(step.name.size(), 70));
  }
  for (const auto& step : forecast.steps) {
    text += step_text(step, width);
  }
  const auto rest = forecast.steps.size() - forecast.cached();
  return text + (rest == 0 ? fmt::format("nothing to do: all {} steps are in the store\n", forecast.steps.size())
                           : fmt::format("{} of {} steps to run, estimated {}\n", rest, forecast.steps.size(),
                                         estimate_text(forecast)));
}

std::string why_json(const std::vector<ImageForecast>& forecasts) {
  Json json{{"schema", 1}, {"images", Json::array()}};
  for (const auto& forecast : forecasts) {
    Json image{{"name", forecast.image->name},
               {"buildspec", forecast.image->buildspec},
               {"short_name", buildspec::short_name(*forecast.image)},
               {"error", forecast.error ? Json(forecast.error->what()) : Json(nullptr)},
               {"cached", forecast.cached()},
               {"total", forecast.steps.size()},
               {"estimated_seconds", forecast.error ? Json(nullptr) : Json(forecast.seconds())},
               {"estimate_complete", !forecast.error && forecast.complete()},
               {"steps", Json::array()}};
    for (const auto& step : forecast.steps) {
      image["steps"].push_back(step_json(step));
    }
    json["images"].push_back(std::move(image));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dlc::cli
