#include "cli/plan_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "buildspec/explain.h"
#include "buildspec/lint.h"
#include "buildspec/plan.h"
#include "cli/baseline_update.h"
#include "cli/buildspec_options.h"
#include "cli/image_lookup.h"
#include "cli/parse.h"
#include "cli/table.h"

namespace dlc::cli {

namespace {

void write_out(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) {
    throw system_error("standard output");
  }
}

std::string base_of(const buildspec::PlannedImage& image) {
  return image.base ? *image.base : image.base_image_name.value_or("-");
}

/// On a terminal the registry's name gives way to what tells images apart.
std::string reference_of(const buildspec::PlannedImage& image, bool shorten) {
  const auto reference = buildspec::full_reference(image);
  const auto slash = image.repository.rfind('/');
  return shorten && slash != std::string::npos ? "…" + reference.substr(slash) : reference;
}

void print_table(const buildspec::Plan& plan) {
  if (plan.images.empty()) {
    return;
  }
  const bool shorten = isatty(STDOUT_FILENO) == 1;
  Table table({"IMAGE", "REPOSITORY:TAG", "DEVICE", "PY", "BASE", "DOCKERFILE", "BUILD"});
  for (const auto& image : plan.images) {
    table.add({image.name, reference_of(image, shorten), image.device_type, image.python_version, base_of(image),
               image.docker_file_path, image.to_build ? "yes" : "no"});
  }
  write_out(table.text());
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
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

int run_plan(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Print what the buildspecs resolve to, without building anything.", "dlc plan");
  BuildspecOptions options;
  std::string output = "table";
  std::string explained;
  add_buildspec_options(app, options);
  app.add_option("--output", output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--explain", explained, "say where a value came from")->type_name("IMAGE.FIELD");
  bool update = false;
  app.add_flag("--update-baselines", update, "write the sizes of the images in the store into the buildspecs");
  if (!parse(app, arguments)) {
    return 0;
  }
  options.finish();
  Diagnostics diagnostics;
  const auto plan = buildspec::resolve(options.resolve, diagnostics);
  buildspec::add_warnings(plan, options.resolve.environment, diagnostics);
  print(diagnostics, "no plan was made");
  if (diagnostics.errors() > 0) {
    return exit_status(ErrorKind::invalid);
  }
  if (update) {
    const auto store = open_store(global.store);
    write_out(apply_new_baselines(plan, options.resolve.root, *store));
    return 0;
  }
  if (!explained.empty()) {
    write_out(buildspec::explain(plan, options.resolve, explained));
    return 0;
  }
  if (output == "json") {
    write_out(buildspec::to_json(plan));
    return 0;
  }
  print_table(plan);
  print_summary(plan);
  return 0;
}

}  // namespace dlc::cli
