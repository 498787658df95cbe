#include "cli/plan_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <set>

#include "base/suggest.h"
#include "build/base_freshness.h"
#include "buildspec/explain.h"
#include "buildspec/lint.h"
#include "buildspec/plan.h"
#include "cli/baseline_update.h"
#include "cli/buildspec_options.h"
#include "cli/image_lookup.h"
#include "cli/parse.h"
#include "cli/plan_forecast.h"
#include "cli/plan_requirements.h"
#include "cli/print_out.h"
#include "cli/table.h"

namespace dlc::cli {

namespace {

std::string base_of(const buildspec::PlannedImage& image) {
  return image.base ? *image.base : image.base_image_name.value_or("-");
}

/// On a terminal the registry's name gives way to what tells images apart.
std::string reference_of(const buildspec::PlannedImage& image, bool shorten) {
  const auto reference = buildspec::full_reference(image);
  const auto slash = image.repository.rfind('/');
  return shorten && slash != std::string::npos ? "…" + reference.substr(slash) : reference;
}

void print_table(const buildspec::Plan& plan, const std::vector<ImageForecast>* forecasts) {
  if (plan.images.empty()) {
    return;
  }
  const bool shorten = isatty(STDOUT_FILENO) == 1;
  std::vector<std::string> header{"IMAGE", "REPOSITORY:TAG", "DEVICE", "PY", "BASE", "DOCKERFILE", "BUILD"};
  if (forecasts != nullptr) {
    header.insert(header.end(), {"CACHED", "EST."});
  }
  Table table(header);
  for (const auto& image : plan.images) {
    std::vector<std::string> row{image.name,
                                 reference_of(image, shorten),
                                 image.device_type,
                                 image.python_version,
                                 base_of(image),
                                 image.docker_file_path,
                                 image.to_build ? "yes" : (image.left_out ? "left out" : "no")};
    if (forecasts != nullptr) {
      const auto found = std::ranges::find(*forecasts, &image, &ImageForecast::image);
      const bool known = found != forecasts->end();
      row.insert(row.end(), {known ? cached_text(*found) : "-", known ? estimate_text(*found) : "-"});
    }
    table.add(std::move(row));
  }
  print_out(table.text());
}

void print_summary(const buildspec::Plan& plan) {
  std::string files;
  for (const auto& file : plan.buildspecs) {
    files += (files.empty() ? "" : ", ") + file;
  }
  if (plan.buildspecs.size() > 3) {
    files = fmt::format("{} buildspecs", plan.buildspecs.size());
  }
  std::string text = fmt::format("{}: {} of {} images selected\n", files, plan.selected(), plan.images.size());
  for (const auto& image : plan.skipped) {
    text += fmt::format("{}: {} is left out: its version is not the file's\n", image.buildspec, image.name);
  }
  text += left_out_text(plan);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

/// What is wrong with Dockerfiles; missing ones have been named before.
void print_problems(const std::vector<ImageForecast>& forecasts) {
  for (const auto& forecast : forecasts) {
    if (forecast.error && forecast.error->kind() == ErrorKind::invalid) {
      const auto& where = forecast.error->where();
      std::fprintf(stderr, "%s:%d: warning: %s\n", where.file.c_str(), where.line, forecast.error->what());
    }
  }
}

struct PlanOptions {
  BuildspecOptions buildspecs;
  std::string output = "table";
  std::optional<std::string> explained;
  std::optional<std::string> why;
  std::optional<bool> cached;  ///< unset: where a table is printed and there is a store
  bool update_baselines = false;
  bool ignore_requires = false;
  bool check_bases = false;
};

bool parse_options(std::span<const std::string> arguments, PlanOptions& options) {
  CLI::App app("Print what the buildspecs resolve to, without building anything.", "dlc plan");
  add_buildspec_options(app, options.buildspecs);
  app.add_option("--output", options.output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--explain", options.explained, "say where a value came from")->type_name("IMAGE.FIELD");
  app.add_option("--why", options.why, "say for each step whether it will run, and why")->type_name("IMAGE");
  bool cached = false;
  const auto* asked = app.add_flag("--cached,!--no-cached", cached,
                                   "say how many steps are in the store and how long the rest takes (default: in a "
                                   "table, where there is a store)");
  app.add_flag("--check-bases", options.check_bases,
               "ask the package mirror whether it has moved since the bases were made");
  app.add_flag("--ignore-requires", options.ignore_requires, "do not probe what images require");
  app.add_flag("--update-baselines", options.update_baselines,
               "write the sizes of the images in the store into the buildspecs");
  if (!parse(app, arguments)) {
    return false;
  }
  if (asked->count() > 0) {
    options.cached = cached;
  }
  return true;
}

/// The store, where there is one: a plan makes none.
std::unique_ptr<store::Store> existing_store(const GlobalOptions& global) {
  const auto directory = global.store.empty() ? store::Store::default_directory() : std::filesystem::path(global.store);
  std::error_code ignored;
  return std::filesystem::exists(directory / "format", ignored) ? open_store(global.store) : nullptr;
}

bool is_named(const buildspec::PlannedImage& image, const std::string& name) {
  return image.name == name || buildspec::short_name(image) == name;
}

int print_why(const buildspec::Plan& plan, const PlanOptions& options, const GlobalOptions& global) {
  std::vector<std::string> names;
  for (const auto& image : plan.images) {
    names.push_back(image.name);
  }
  const auto named = [&](const buildspec::PlannedImage& image) { return is_named(image, *options.why); };
  if (std::ranges::none_of(plan.images, named)) {
    const auto similar = closest(*options.why, names);
    throw Error(ErrorKind::usage, fmt::format("--why: no image \"{}\"", *options.why))
        .hint(similar.empty() ? "dlc plan lists the images" : "did you mean " + similar + "?");
  }
  if (std::ranges::none_of(plan.images, [&](const auto& image) { return named(image) && image.to_build; })) {
    throw Error(ErrorKind::usage, fmt::format("--why: {} is not selected, so nothing of it would run", *options.why))
        .hint("leave out the option that leaves it out (--device_types, --image_types, --py_versions)");
  }
  const auto store = existing_store(global);
  if (!store) {
    throw Error(ErrorKind::not_found, "--why: there is no store yet, so every step will run")
        .hint("dlc build makes it; --store DIR names another one");
  }
  auto forecasts = forecast_plan(plan, options.buildspecs.resolve.root, *store);
  std::erase_if(forecasts, [&](const ImageForecast& forecast) { return !named(*forecast.image); });
  if (options.output == "json") {
    print_out(why_json(forecasts));
    return 0;
  }
  for (const auto& forecast : forecasts) {
    print_out(why_text(forecast));
  }
  return 0;
}

/// Which bases of the selected images are behind their mirror, on standard error.
void print_freshness(const buildspec::Plan& plan, const GlobalOptions& global) {
  std::set<std::string> bases;
  for (const auto& image : plan.images) {
    if (image.to_build && image.base) {
      bases.insert(*image.base);
    }
  }
  const auto store = bases.empty() ? nullptr : existing_store(global);
  for (const auto& base : bases) {
    constexpr int kSeconds = 10;
    const auto freshness = store ? build::base_freshness(base, *store, kSeconds, {}) : std::nullopt;
    std::string text = "base " + base + ": ";
    if (!freshness) {
      text += "not made yet\n";
    } else if (!freshness->moved.empty()) {
      text += fmt::format("the package mirror has moved since it was made: {} (dlc build --pull makes it anew)\n",
                          fmt::join(freshness->moved, ", "));
    } else if (freshness->open.empty()) {
      text += "as the package mirror is now\n";
    } else {
      text += "not known\n";
    }
    for (const auto& problem : freshness ? freshness->open : std::vector<std::string>()) {
      text += "  " + problem + "\n";
    }
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
}

/// Nothing where nobody asked, or where there is no store to look into.
std::optional<std::vector<ImageForecast>> look_into_store(buildspec::Plan& plan, const PlanOptions& options,
                                                          const GlobalOptions& global) {
  if (!options.cached.value_or(options.output == "table") || plan.selected() == 0) {
    return std::nullopt;
  }
  try {
    const auto store = existing_store(global);
    if (!store) {
      return std::nullopt;
    }
    auto forecasts = forecast_plan(plan, options.buildspecs.resolve.root, *store);
    for (const auto& forecast : forecasts) {
      if (!forecast.error) {
        auto& image = plan.images[static_cast<std::size_t>(forecast.image - plan.images.data())];
        image.in_store = buildspec::StoreState{.cached = forecast.cached(),
                                               .total = forecast.steps.size(),
                                               .seconds = forecast.seconds(),
                                               .complete = forecast.complete()};
      }
    }
    return forecasts;
  } catch (const Error& error) {
    if (options.cached) {
      throw;  // it was asked for
    }
    std::fprintf(stderr, "note: the store could not be read, so CACHED and EST. are left out: %s\n", error.what());
    return std::nullopt;
  }
}

}  // namespace

int run_plan(std::span<const std::string> arguments, const GlobalOptions& global) {
  PlanOptions options;
  if (!parse_options(arguments, options)) {
    return 0;
  }
  options.buildspecs.finish();
  const auto& resolve = options.buildspecs.resolve;
  Diagnostics diagnostics;
  auto plan = buildspec::resolve(resolve, diagnostics);
  buildspec::add_warnings(plan, resolve.environment, diagnostics);
  if (diagnostics.errors() == 0 && !options.ignore_requires && !options.explained) {
    probe_requirements(plan, resolve.root, diagnostics, {});
  }
  print(diagnostics, "no plan was made");
  if (diagnostics.errors() > 0) {
    return exit_status(ErrorKind::invalid);
  }
  if (options.update_baselines) {
    const auto store = open_store(global.store);
    print_out(apply_new_baselines(plan, resolve.root, *store));
    return 0;
  }
  if (options.explained) {
    print_out(buildspec::explain(plan, resolve, *options.explained));
    return 0;
  }
  if (options.why) {
    return print_why(plan, options, global);
  }
  if (options.check_bases) {
    print_freshness(plan, global);
  }
  const auto forecasts = look_into_store(plan, options, global);
  if (options.output == "json") {
    print_out(buildspec::to_json(plan));
    return 0;
  }
  print_table(plan, forecasts ? &*forecasts : nullptr);
  print_summary(plan);
  if (forecasts) {
    if (const auto together = together_text(*forecasts); !together.empty()) {
      std::fprintf(stderr, "%s\n", together.c_str());
    }
    print_problems(*forecasts);
  }
  return 0;
}

}  // namespace dlc::cli
