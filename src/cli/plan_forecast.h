#pragma once
// What `dlc build` would do with the images of a plan, from the store's records: how many steps are there, how long the
// rest takes, and why a step would run. Asks nobody on the network and runs nothing.
#include <filesystem>
#include <string>
#include <vector>

#include "build/forecast.h"
#include "buildspec/plan.h"
#include "store/store.h"

namespace dlc::cli {

struct ForecastStep {
  std::string name;  ///< "[3/9] RUN pip install ..."
  build::StepForecast step;
  std::string cause;  ///< name of the step that `step.cause` stands for
};

struct ImageForecast {
  const buildspec::PlannedImage* image = nullptr;
  std::optional<Error> error;  ///< why nothing is known: no Dockerfile, a missing file, ...
  std::vector<ForecastStep> steps;
  bool base_missing = false;  ///< its base is neither in the store nor in the estimate

  [[nodiscard]] std::size_t cached() const;
  /// Seconds for the steps that are not there, as they took the last time; steps without a record count nothing.
  [[nodiscard]] double seconds() const;
  /// Whether `seconds` counts all of them.
  [[nodiscard]] bool complete() const;
};

/// For the images to build, in the order of the plan.
[[nodiscard]] std::vector<ImageForecast> forecast_plan(const buildspec::Plan& plan, const std::filesystem::path& root,
                                                       store::Store& store);

/// Seconds for all images together: a step that several of them need counts once.
[[nodiscard]] double seconds_together(const std::vector<ImageForecast>& forecasts);
/// "about 0:31 for what is not in the store"; empty where nothing is to be done or nothing is known.
[[nodiscard]] std::string together_text(const std::vector<ImageForecast>& forecasts);

/// "7/9"; "?" where nothing is known.
[[nodiscard]] std::string cached_text(const ImageForecast& forecast);
/// "0:24", "1:02:03"; "0:24+" where a step has no record; "?" where nothing is known.
[[nodiscard]] std::string estimate_text(const ImageForecast& forecast);
/// What `dlc plan --why` prints about one image.
[[nodiscard]] std::string why_text(const ImageForecast& forecast);
[[nodiscard]] std::string why_json(const std::vector<ImageForecast>& forecasts);

}  // namespace dlc::cli
