#include "cli/image_build_command.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <set>

#include "build/cache_export.h"
#include "build/cache_import.h"
#include "cli/build_report.h"
#include "cli/failure_shell.h"
#include "cli/image_build_call.h"
#include "cli/image_build_errors.h"
#include "cli/image_build_request.h"
#include "cli/image_build_results.h"
#include "cli/image_lookup.h"
#include "cli/interrupt.h"
#include "cli/matrix_build.h"
#include "cli/print_out.h"
#include "cli/progress.h"
#include "dockerfile/dockerfile.h"
#include "oci/reference.h"
#include "sandbox/overlay.h"

namespace dlc::cli {

namespace {

void write_err(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

bool has_run(const build::Graph& graph) {
  for (build::VertexId id = 0; id < graph.size(); ++id) {
    if (std::holds_alternative<build::RunOp>(graph.at(id).op)) {
      return true;
    }
  }
  return false;
}

/// One build, from the parsed Dockerfile to the outputs.
class ImageBuild {
 public:
  ImageBuild(ImageBuildRequest& request, const GlobalOptions& global, store::Store& store, const Interrupt& interrupt)
      : request_(request),
        global_(global),
        store_(store),
        interrupt_(interrupt),
        tails_(std::make_shared<StepTails>()),
        imports_(store_, bus_) {
    for (const auto& value : request.secret_values) {
      bus_.mask(value);
    }
    bus_.add(tails_);
  }

  int run() {
    Progress progress(bus_, {.mode = request_.progress, .style = PlainStyle::steps});
    std::string failed_step;
    std::ranges::for_each(request_.warnings, [&](const auto& warning) { bus_.message("warning", warning); });
    try {
      lower();
      open_shell_on_failure(progress);
      const auto results = solve(failed_step);
      for (const auto& result : results) {
        if (result.error) {
          throw Error(*result.error);
        }
      }
      const auto root = finish(results);
      progress.close();
      report(results, root);
      return 0;
    } catch (const Error& error) {
      progress.close();
      if (error.kind() == ErrorKind::cancelled && interrupt_.signal() != 0) {
        write_err("\n" + interrupted_line(kept_, total_));
        return interrupt_.exit_status(0);
      }
      write_err("\n" + (failed_step.empty() ? "" : tails_->block(failed_step)) + render_docker_error(error) +
                (failed_step.empty() ? "" : shell_hint()));
      return interrupt_.signal() != 0 ? interrupt_.exit_status(0) : docker_exit_status(error.kind());
    }
  }

  int check() {
    dockerfile::Dockerfile file;
    try {
      file = dockerfile::parse(request_.dockerfile, request_.dockerfile_name, diagnostics_);
      check_stages(file);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      if (request_.call_json) {
        print_out(check_json(diagnostics_, request_.dockerfile_name, request_.dockerfile, &error));
      } else if (!diagnostics_.all().empty()) {
        print_out(render_check(diagnostics_, file));
      }
      throw;
    }
    print_out(request_.call_json ? check_json(diagnostics_, request_.dockerfile_name, request_.dockerfile, nullptr)
                                 : render_check(diagnostics_, file));
    return diagnostics_.all().empty() ? 0 : 1;
  }

 private:
  void check_stages(const dockerfile::Dockerfile& file) {
    request_.lower.all_stages = true;
    try {
      static_cast<void>(lower_file(file, request_.lower, diagnostics_));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::network && error.kind() != ErrorKind::not_found) {
        throw;
      }  // a base that cannot be had leaves only the rules that need it unchecked
    }
  }

  /// One target for each platform.
  void lower() {
    const auto file = dockerfile::parse(request_.dockerfile, request_.dockerfile_name, diagnostics_);
    const auto shown =
        request_.tags.empty() ? request_.dockerfile_name : oci::parse_reference(request_.tags.front()).familiar();
    for (const auto& platform : request_.platforms) {
      auto options = request_.lower;
      options.platform = platform;
      options.several_platforms = request_.platforms.size() > 1;
      Diagnostics again;  // the same findings for each platform
      auto target = lower_file(file, options, targets_.empty() ? diagnostics_ : again);
      target.name = shown;
      if (options.several_platforms) {
        target.name += " " + oci::to_string(platform);
      }
      targets_.push_back(std::move(target));
    }
    if (file.check.error && !diagnostics_.all().empty()) {
      const auto& first = diagnostics_.all().front();
      throw Error(ErrorKind::invalid, "lint violation found for rules: " + first.rule).at(first.where);
    }
  }

  build::ImageTarget lower_file(const dockerfile::Dockerfile& file, const build::LowerOptions& options,
                                Diagnostics& diagnostics) {
    if (!finder_) {
      finder_.emplace(
          store_, bus_,
          build::ResolverOptions{.pull = request_.pull, .bases_file = "", .refresh_bases = request_.refresh_bases},
          interrupt_.token());
    }
    const auto resolver = [this](const std::string& name, const oci::Platform& platform) {
      Activity activity(bus_, ActivityKind::pull, "[internal] load metadata for " + name);
      try {
        auto image = finder_->resolve(name, platform);
        activity.finish(ActivityResult::done);
        return image;
      } catch (const Error& error) {
        activity.finish(ActivityResult::failed, error.what());
        throw;
      }
    };
    return build::lower(file, options, resolver, graph_, diagnostics);
  }

  void open_shell_on_failure(Progress& progress) {
    if (request_.failure_shell) {
      request_.solve.on_failure = [this, shell = std::make_shared<FailureShell>(*request_.failure_shell), &progress](
                                      const std::string& step, const sandbox::ContainerSpec& spec) {
        shell->open(step, spec, request_.solve.runtime, progress);
      };
    }
  }

  /// Named where a person reads it: the shell is for a terminal.
  [[nodiscard]] std::string shell_hint() const {
    const bool reads = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
    return reads && !request_.failure_shell ? "  to look into the failed step: --on-failure shell\n" : "";
  }

  std::vector<build::TargetResult> solve(std::string& failed_step) {
    try {
      request_.solve.runtime = sandbox::find_runtime(global_.runtime);
    } catch (const Error&) {
      if (has_run(graph_)) {
        throw;
      }  // an image of files only needs none
    }
    for (const auto& spec : request_.cache_from) {
      imports_.add(spec, interrupt_.token());
    }
    request_.solve.imports = request_.cache_from.empty() ? nullptr : &imports_;
    request_.solve.fetch_imports = std::ranges::any_of(
        request_.cache_to, [](const auto& spec) { return spec.mode == build::CacheSpec::Mode::max; });
    std::deque<Activity> images;
    std::vector<ActivityId> ids;
    for (const auto& target : targets_) {
      ids.push_back(images.emplace_back(bus_, ActivityKind::image, target.name).id());
      total_ += count_steps(graph_, target.root);
    }
    auto results = build::solve(graph_, targets_, store_, bus_, request_.solve, interrupt_.token(), ids,
                                [](std::size_t, const build::TargetResult&) {});
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto& result = results[i];
      kept_ += result.steps.run + result.steps.cached;
      if (result.failed_vertex && failed_step.empty()) {
        failed_step = graph_.at(*result.failed_vertex).name;
      }
      const bool cancelled = result.error && result.error->kind() == ErrorKind::cancelled;
      images[i].finish(cancelled      ? ActivityResult::cancelled
                       : result.error ? ActivityResult::failed
                                      : ActivityResult::done,
                       result.error ? result.error->what() : "");
    }
    return results;
  }

  [[nodiscard]] build::BuiltImage built_image(const std::vector<build::TargetResult>& results) const {
    build::BuiltImage image{.platforms = {}, .names = request_.tags, .annotations = request_.annotations};
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto& result = results[i];
      image.platforms.push_back({.platform = request_.platforms[i],
                                 .manifest = result.manifest,
                                 .config = result.config,
                                 .chain = result.layers.empty() ? codec::Digest() : result.layers.back().chain_id,
                                 .base_layers = result.base_layers,
                                 .epoch = graph_.at(targets_[i].root).epoch});
    }
    return image;
  }

  /// Writes all outputs. The descriptor of what the image is called by: the first output's that is an image.
  oci::Descriptor finish(const std::vector<build::TargetResult>& results) {
    const auto image = built_image(results);
    std::optional<oci::Descriptor> root;
    for (const auto& output : request_.outputs) {
      if (output.rewrite_timestamp && !image.platforms.front().epoch) {
        bus_.message("warning", "--output: rewrite-timestamp has no effect without SOURCE_DATE_EPOCH");
      }
      oci::Descriptor form;
      if (build::names_image(output.type)) {
        form = build::form_for(output, image, store_);
        if (output.store) {
          name_image(output, form);
        }
        root = root.value_or(form);
      }
      build::write_output(output, image, form, store_, bus_, 0, interrupt_.token());
    }
    if (!root) {
      root = build::form_for({}, image, store_);
    }
    for (const auto& spec : request_.cache_to) {
      build::export_cache(spec, graph_, targets_, results, request_.solve.compression, store_, bus_,
                          interrupt_.token());
    }
    write_result_files(request_, *root, results, store_);
    return *root;
  }

  void name_image(const build::OutputSpec& output, const oci::Descriptor& form) {
    auto names = request_.tags;
    for (const auto& name : output.names) {
      names.push_back(oci::parse_reference(name).str());
    }
    for (const auto& name : names) {
      const auto known = store_.records().find_image(name);
      if (!known || known->manifest != form.digest) {
        store_.records().tag(name, form.digest);
      }
    }
  }

  void report(const std::vector<build::TargetResult>& results, const oci::Descriptor& root) {
    if (request_.quiet) {
      print_out(root.digest.str() + "\n");
      return;
    }
    if (request_.progress == ProgressMode::rawjson || request_.progress == ProgressMode::jsonl) {
      return;
    }
    std::string text = "image " + root.digest.str();
    for (const auto& tag : all_names(request_)) {
      text += " " + oci::parse_reference(tag).familiar();
    }
    build::StepCount steps;
    std::set<build::VertexId> ran;
    for (const auto& result : results) {
      ran.insert(result.ran.begin(), result.ran.end());
      steps.cached += result.steps.cached;
    }
    write_err(text + fmt::format("  ({} steps run, {} reused)\n", ran.size(), steps.cached) +
              render_warnings(diagnostics_));
  }

  ImageBuildRequest& request_;
  const GlobalOptions& global_;
  store::Store& store_;
  const Interrupt& interrupt_;
  EventBus bus_;
  std::shared_ptr<StepTails> tails_;
  Diagnostics diagnostics_;
  std::optional<build::ImageFinder> finder_;
  build::CacheImports imports_;
  build::Graph graph_;
  std::vector<build::ImageTarget> targets_;
  unsigned kept_ = 0;  ///< steps that are known now, of
  unsigned total_ = 0;
};

/// --call=targets and --call=outline: what the Dockerfile says, no store and no step.
int describe(ImageBuildRequest options, const GivenArguments& given, const Interrupt& interrupt) {
  const auto make_directory = [] { return TemporaryDirectory(std::filesystem::temp_directory_path(), "dlc-context-"); };
  const auto request =
      complete_request(std::move(options), given, {.make_directory = make_directory, .stop = interrupt.token()});
  Diagnostics diagnostics;
  const auto file = dockerfile::parse(request.dockerfile, request.dockerfile_name, diagnostics);
  print_out(request.call == "targets" ? targets_text(file, request.call_json)
                                      : outline_text(file, request.lower, request.call_json));
  return 0;
}

int build_image(ImageBuildRequest options, const GivenArguments& given, const GlobalOptions& global,
                store::Store& store, const Interrupt& interrupt) {
  const auto make_directory = [&store] { return store.make_temporary_directory(); };
  check_result_files(options);
  auto request =
      complete_request(std::move(options), given, {.make_directory = make_directory, .stop = interrupt.token()});
  ImageBuild image(request, global, store, interrupt);
  return request.call == "check" ? image.check() : image.run();
}

int build_or_describe(const GivenArguments& given, const GlobalOptions& global) {
  auto options = read_request(given);
  std::unique_ptr<store::Store> store;
  if (options.call == "build" || options.call == "check") {
    sandbox::enter_private_namespace();  // before the first thread
    store = open_store(global.store);
  }
  const Interrupt interrupt;
  try {
    return store ? build_image(std::move(options), given, global, *store, interrupt)
                 : describe(std::move(options), given, interrupt);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled || interrupt.signal() == 0) {
      throw;
    }
    write_err("\n" + interrupted_line(0, 0));
    return interrupt.exit_status(0);
  }
}

}  // namespace

int run_image_build(std::span<const std::string> arguments, const GlobalOptions& global) {
  try {
    const auto given = parse_image_build(arguments);
    if (given.help) {
      print_out(image_build_help());
      return 0;
    }
    return build_or_describe(given, global);
  } catch (const Error& error) {
    write_err(render_docker_error(error));
    return docker_exit_status(error.kind());
  }
}

}  // namespace dlc::cli
