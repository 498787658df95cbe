#include "cli/build_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>

#include "base/files.h"
#include "base/output_file.h"
#include "buildspec/lint.h"
#include "cli/build_metrics.h"
#include "cli/build_push.h"
#include "cli/build_report.h"
#include "cli/buildspec_options.h"
#include "cli/image_lookup.h"
#include "cli/image_sbom.h"
#include "cli/interrupt.h"
#include "cli/matrix_build.h"
#include "cli/parse.h"
#include "cli/plan_requirements.h"
#include "cli/print_out.h"
#include "cli/progress.h"
#include "cli/test_environment.h"
#include "sandbox/overlay.h"

namespace dlc::cli {

namespace {

struct BuildOptions {
  BuildspecOptions buildspecs;
  unsigned jobs = 0;
  bool no_cache = false;
  bool pull = false;
  bool push = false;
  std::string progress = "auto";
  std::string output = "table";
  std::string host_certs = "env";
  std::string network = "host";
  std::string compression = "gzip";
  std::string logs = "logs";
  std::string metrics;
  bool sbom = false;
  bool no_referrers = false;
  bool ignore_requires = false;
};

bool parse_options(std::span<const std::string> arguments, BuildOptions& options) {
  CLI::App app("Build the images of the buildspecs.", "dlc build");
  add_buildspec_options(app, options.buildspecs);
  app.add_option("--jobs,-j", options.jobs, "steps that run at once (default: as many as there are cores)");
  app.add_flag("--no-cache", options.no_cache, "run every step, reuse nothing");
  app.add_flag("--pull", options.pull, "look for newer base images; make the bases of base/images.toml anew");
  app.add_flag("--push", options.push, "push what was built");
  app.add_option("--progress", options.progress, "auto, tty, plain, quiet, jsonl or rawjson");
  app.add_option("--output", options.output, "what goes to standard output at the end: table or json")
      ->check(CLI::IsMember({"table", "json"}));
  app.add_option("--host-certs", options.host_certs, "how RUN steps trust what the host trusts: env, file or off")
      ->check(CLI::IsMember({"env", "file", "off"}));
  app.add_option("--network", options.network, "the network of RUN steps: host or none")
      ->check(CLI::IsMember({"host", "default", "none"}));
  app.add_option("--compression", options.compression, "of new layers: gzip, zstd or none")
      ->check(CLI::IsMember({"gzip", "zstd", "none", "uncompressed"}));
  app.add_option("--logs", options.logs, "directory of the log files")->type_name("DIR");
  app.add_option("--metrics", options.metrics, "write times, sizes and results for Prometheus")->type_name("FILE");
  app.add_flag("--sbom", options.sbom,
               "list what each image holds: attached to it, and beside its log, .spdx.json and .cdx.json");
  app.add_flag("--no-referrers", options.no_referrers, "push images without what is attached to them");
  app.add_flag("--ignore-requires", options.ignore_requires, "build images whatever they require");
  return parse(app, arguments);
}

sandbox::HostCerts host_certs_of(const std::string& word) {
  return word == "off" ? sandbox::HostCerts::off : word == "file" ? sandbox::HostCerts::file : sandbox::HostCerts::env;
}

codec::CompressionOptions compression_of(const std::string& word) {
  codec::CompressionOptions options;
  options.kind = word == "zstd"   ? codec::Compression::zstd
                 : word == "gzip" ? codec::Compression::gzip
                                  : codec::Compression::none;
  return options;
}

ProgressMode progress_of(const std::string& word) {
  if (const auto mode = parse_progress_mode(word)) {
    return *mode;
  }
  throw Error(ErrorKind::usage, "--progress " + word + " is not known")
      .hint("one of auto, tty, plain, quiet, jsonl, rawjson");
}

void check_push(const BuildOptions& options, const buildspec::Plan& plan) {
  if (!options.push) {
    return;
  }
  for (const auto& image : plan.images) {
    const auto reference = buildspec::full_reference(image);
    if (const auto variable = buildspec::unset_placeholder(reference); image.to_build && variable) {
      throw Error(ErrorKind::usage,
                  fmt::format("{} cannot be pushed: the variable {} is not set", reference, *variable))
          .hint(fmt::format("export {}=... (and whatever else the reference still names)", *variable))
          .at(image.where);
    }
  }
}

MatrixOptions matrix_options(const BuildOptions& options, const GlobalOptions& global) {
  MatrixOptions matrix;
  matrix.root = options.buildspecs.resolve.root;
  matrix.logs = options.logs;
  matrix.no_cache = options.no_cache;
  matrix.pull = options.pull ? build::PullPolicy::always : build::PullPolicy::newer;
  matrix.refresh_bases = options.pull;
  matrix.solve.jobs = options.jobs;
  matrix.solve.host_certs = host_certs_of(options.host_certs);
  matrix.solve.network_none = options.network == "none";
  matrix.solve.compression = compression_of(options.compression);
  matrix.solve.runtime = sandbox::find_runtime(global.runtime);
  return matrix;
}

void print_plan(const buildspec::Plan& plan) {
  std::string files;
  for (const auto& file : plan.buildspecs) {
    files += (files.empty() ? "" : ", ") + file;
  }
  const auto all = static_cast<int>(plan.images.size());
  const auto rest = all - plan.selected();
  std::fprintf(stderr, "Plan  %s: %d of %d images selected%s\n", files.c_str(), plan.selected(), all,
               rest > 0 ? fmt::format(" ({} not selected: dlc plan shows them)", rest).c_str() : "");
}

/// Figures are an extra: where they cannot be written, the build is what it is.
void write_metrics(const std::vector<ImageOutcome>& outcomes, const BuildOptions& options) {
  const auto& environment = options.buildspecs.resolve.environment;
  const auto context = environment.find("BUILD_CONTEXT");
  try {
    write_output_file(options.metrics, metrics_text(outcomes, context == environment.end() ? "DEV" : context->second));
  } catch (const Error& error) {
    std::fprintf(stderr, "warning: --metrics: %s\n", error.what());
  }
}

/// Attached to the image, and beside its log, whose path `outcome` has relative to the repository root.
void write_sbom(store::Store& store, const ImageOutcome& outcome, const std::filesystem::path& root) {
  const std::array<std::string, 2> formats{"spdx", "cyclonedx"};
  const std::array<const char*, 2> endings{".spdx.json", ".cdx.json"};
  const auto image = find_image(store, outcome.name);
  const auto subject = read_sbom(store, image);
  for (std::size_t i = 0; i < formats.size(); ++i) {
    auto path = root / outcome.log;
    path.replace_extension(endings.at(i));
    std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, sbom_text(subject, formats.at(i)));
  }
  attach_sbom(store, image, subject, formats);
}

/// False where one could not be made: the images are built all the same, and what follows goes on.
bool write_sboms(store::Store& store, const std::vector<ImageOutcome>& outcomes, const std::filesystem::path& root,
                 const Interrupt& interrupt) {
  bool fine = true;
  for (const auto& outcome : outcomes) {
    const bool there = outcome.status == ImageStatus::built || outcome.status == ImageStatus::up_to_date;
    if (!there || interrupt.signal() != 0) {
      continue;
    }
    try {
      write_sbom(store, outcome, root);
    } catch (const Error& error) {
      std::fprintf(stderr, "error: --sbom: %s: %s\n", outcome.name.c_str(), error.what());
      fine = false;
    }
  }
  return fine;
}

int build_plan(const buildspec::Plan& plan, const BuildOptions& options, const GlobalOptions& global) {
  const auto begun = std::chrono::steady_clock::now();
  const ProgressOptions progress_options{.mode = progress_of(options.progress), .style = PlainStyle::images};
  if (const auto mode = effective_mode(progress_options); mode == ProgressMode::tty || mode == ProgressMode::plain) {
    print_plan(plan);
  }
  auto matrix = matrix_options(options, global);
  const auto root = matrix.root;
  sandbox::enter_private_namespace();  // before the first thread
  const auto store = open_store(global.store);
  const Interrupt interrupt;
  EventBus bus;
  const auto logs = std::make_shared<LogFiles>(matrix.root / matrix.logs);
  bus.add(logs);
  Progress progress(bus, progress_options);
  const auto logs_folder = matrix.root / matrix.logs;
  MatrixBuild build(plan, *store, bus, *logs, std::move(matrix), interrupt.token());
  const auto outcomes = build.run();
  const bool listed = !options.sbom || write_sboms(*store, outcomes, root, interrupt);
  std::vector<PushOutcome> pushes;  // after the bills of materials, which go along
  if (options.push && interrupt.signal() == 0) {
    pushes = push_built(outcomes, *store, bus, !options.no_referrers, interrupt.token());
  }
  progress.close();

  const ReportContext context{.not_selected = static_cast<int>(plan.images.size()) - plan.selected(),
                              .left_out = left_out_of(plan),
                              .signal = interrupt.signal(),
                              .seconds = seconds_between(begun, std::chrono::steady_clock::now())};
  if (!options.metrics.empty()) {
    write_metrics(outcomes, options);
  }
  write_test_files(logs_folder, plan, outcomes, options.buildspecs.resolve.environment);
  print_out(options.output == "json" ? render_json(outcomes, context) : render_report(outcomes, context));
  if (!pushes.empty() && options.output != "json") {
    print_out(render_pushes(pushes));
  }
  if (interrupt.signal() != 0) {
    std::fputs(interrupted_line(outcomes).c_str(), stderr);
    return interrupt.exit_status(0);
  }
  const bool fine = std::ranges::all_of(outcomes, [](const ImageOutcome& outcome) {
    return outcome.status == ImageStatus::built || outcome.status == ImageStatus::up_to_date;
  });
  const bool sent = std::ranges::none_of(pushes, [](const PushOutcome& push) { return push.error.has_value(); });
  return fine && listed && sent ? 0 : exit_status(ErrorKind::failed);
}

}  // namespace

int run_build(std::span<const std::string> arguments, const GlobalOptions& global) {
  BuildOptions options;
  if (!parse_options(arguments, options)) {
    return 0;
  }
  options.buildspecs.finish();
  Diagnostics diagnostics;
  auto plan = buildspec::resolve(options.buildspecs.resolve, diagnostics);
  buildspec::add_warnings(plan, options.buildspecs.resolve.environment, diagnostics);
  if (diagnostics.errors() == 0 && !options.ignore_requires) {
    probe_requirements(plan, options.buildspecs.resolve.root, diagnostics, {});
  }
  print(diagnostics, "nothing was built");
  if (diagnostics.errors() > 0) {
    return exit_status(ErrorKind::invalid);
  }
  if (plan.selected() == 0) {
    std::fprintf(stderr, "%s0 of %zu images selected\n", left_out_text(plan).c_str(), plan.images.size());
    return 0;
  }
  check_push(options, plan);
  return build_plan(plan, options, global);
}

}  // namespace dlc::cli
