#include "cli/image_build_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/build_report.h"
#include "cli/image_build_errors.h"
#include "cli/image_build_request.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "dockerfile/dockerfile.h"
#include "oci/reference.h"
#include "sandbox/overlay.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

void write_out(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) {
    throw system_error("standard output");
  }
}

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

std::string targets_text(const dockerfile::Dockerfile& file) {
  std::string text = fmt::format("{:<30} {}\n", "TARGET", "BASE");
  for (std::size_t i = 0; i < file.stages.size(); ++i) {
    const auto& from = file.stages[i].from;
    const auto name = from.name.empty() ? std::to_string(i) : from.name;
    text += fmt::format("{:<30} {}\n", i + 1 == file.stages.size() ? name + " (default)" : name, from.image);
  }
  return text;
}

std::string outline_text(const dockerfile::Dockerfile& file) {
  std::string text = fmt::format("{:<30} {}\n", "BUILD ARG", "DEFAULT");
  const auto add = [&](const dockerfile::Instruction& instruction) {
    if (const auto* arg = std::get_if<dockerfile::Arg>(&instruction.body)) {
      for (const auto& pair : arg->args) {
        text += fmt::format("{:<30} {}\n", pair.key, pair.value.value_or(""));
      }
    }
  };
  std::ranges::for_each(file.global_args, add);
  for (const auto& stage : file.stages) {
    std::ranges::for_each(stage.instructions, add);
  }
  return text;
}

/// One build, from the parsed Dockerfile to the outputs.
class ImageBuild {
 public:
  ImageBuild(ImageBuildRequest& request, const GlobalOptions& global)
      : request_(request),
        global_(global),
        store_(store::Store::open(global.store.empty() ? store::Store::default_directory()
                                                       : std::filesystem::path(global.store))),
        tails_(std::make_shared<StepTails>()) {
    for (const auto& value : request.secret_values) {
      bus_.mask(value);
    }
    bus_.add(tails_);
  }

  int run() {
    Progress progress(bus_, {.mode = request_.progress, .style = PlainStyle::steps});
    build::Graph graph;
    std::string failed_step;
    try {
      const auto target = lower(graph);
      const auto result = solve(graph, target, failed_step);
      if (result.error) {
        throw Error(*result.error);
      }
      finish(result);
      progress.close();
      report(result);
      return 0;
    } catch (const Error& error) {
      progress.close();
      if (error.kind() == ErrorKind::cancelled && interrupt_.signal() != 0) {
        write_err("\n" + interrupted_line(kept_, total_));
        return interrupt_.exit_status(0);
      }
      write_err("\n" + (failed_step.empty() ? "" : tails_->block(failed_step)) + render_docker_error(error));
      return interrupt_.signal() != 0 ? interrupt_.exit_status(0) : docker_exit_status(error.kind());
    }
  }

  int check() {
    const auto file = dockerfile::parse(request_.dockerfile, request_.dockerfile_name, diagnostics_);
    build::Graph graph;
    request_.lower.all_stages = true;
    try {
      static_cast<void>(lower_file(file, graph));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::network && error.kind() != ErrorKind::not_found) {
        write_out(diagnostics_.all().empty() ? "" : render_check(diagnostics_, file));
        throw;
      }  // a base that cannot be had leaves only the rules that need it unchecked
    }
    write_out(render_check(diagnostics_, file));
    return diagnostics_.all().empty() ? 0 : 1;
  }

 private:
  build::ImageTarget lower(build::Graph& graph) {
    const auto file = dockerfile::parse(request_.dockerfile, request_.dockerfile_name, diagnostics_);
    auto target = lower_file(file, graph);
    if (file.check.error && !diagnostics_.all().empty()) {
      const auto& first = diagnostics_.all().front();
      throw Error(ErrorKind::invalid, "lint violation found for rules: " + first.rule).at(first.where);
    }
    target.name =
        request_.tags.empty() ? request_.dockerfile_name : oci::parse_reference(request_.tags.front()).familiar();
    target.annotations = request_.annotations;
    return target;
  }

  build::ImageTarget lower_file(const dockerfile::Dockerfile& file, build::Graph& graph) {
    if (!finder_) {
      finder_.emplace(
          *store_, bus_,
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
    return build::lower(file, request_.lower, resolver, graph, diagnostics_);
  }

  build::TargetResult solve(const build::Graph& graph, const build::ImageTarget& target, std::string& failed_step) {
    try {
      request_.solve.runtime = sandbox::find_runtime(global_.runtime);
    } catch (const Error&) {
      if (has_run(graph)) {
        throw;
      }  // an image of files only needs none
    }
    Activity image(bus_, ActivityKind::image, target.name);
    const ActivityId id = image.id();
    total_ = count_steps(graph, target.root);
    auto results = build::solve(graph, {&target, 1}, *store_, bus_, request_.solve, interrupt_.token(), {&id, 1},
                                [](std::size_t, const build::TargetResult&) {});
    auto result = std::move(results.at(0));
    kept_ = result.steps.run + result.steps.cached;
    if (result.failed_vertex) {
      failed_step = graph.at(*result.failed_vertex).name;
    }
    const bool cancelled = result.error && result.error->kind() == ErrorKind::cancelled;
    image.finish(cancelled      ? ActivityResult::cancelled
                 : result.error ? ActivityResult::failed
                                : ActivityResult::done,
                 result.error ? result.error->what() : "");
    return result;
  }

  void finish(const build::TargetResult& result) {
    const build::BuiltImage built{.manifest = result.manifest,
                                  .chain = result.layers.empty() ? codec::Digest() : result.layers.back().chain_id,
                                  .names = request_.tags};
    bool named = false;
    for (const auto& output : request_.outputs) {
      build::write_output(output, built, *store_, bus_, 0);
      named = named || build::names_image(output.type);
    }
    for (const auto& tag : request_.tags) {
      const auto known = store_->records().find_image(tag);
      if (named && !(known && known->manifest == result.manifest.digest)) {
        store_->records().tag(tag, result.manifest.digest);
      }
    }
    write_files(result);
  }

  void write_files(const build::TargetResult& result) {
    if (!request_.iidfile.empty()) {
      write_file_atomically(request_.iidfile, result.manifest.digest.str());
    }
    if (request_.metadata_file.empty()) {
      return;
    }
    std::string names;
    for (const auto& tag : request_.tags) {
      names += (names.empty() ? "" : ",") + tag;
    }
    Json json{
        {"containerimage.config.digest", result.config.str()},
        {"containerimage.descriptor",
         {{"mediaType", result.manifest.media_type},
          {"digest", result.manifest.digest.str()},
          {"size", result.manifest.size},
          {"platform", {{"architecture", request_.lower.platform.architecture}, {"os", request_.lower.platform.os}}}}},
        {"containerimage.digest", result.manifest.digest.str()}};
    if (!names.empty()) {
      json["image.name"] = names;
    }
    write_file_atomically(request_.metadata_file, json.dump(2) + "\n");
  }

  void report(const build::TargetResult& result) {
    if (request_.quiet) {
      write_out(result.manifest.digest.str() + "\n");
      return;
    }
    if (request_.progress == ProgressMode::rawjson || request_.progress == ProgressMode::jsonl) {
      return;
    }
    std::string text = "image " + result.manifest.digest.str();
    for (const auto& tag : request_.tags) {
      text += " " + oci::parse_reference(tag).familiar();
    }
    write_err(text + fmt::format("  ({} steps run, {} reused)\n", result.steps.run, result.steps.cached) +
              render_warnings(diagnostics_));
  }

  ImageBuildRequest& request_;
  const GlobalOptions& global_;
  std::unique_ptr<store::Store> store_;
  EventBus bus_;
  std::shared_ptr<StepTails> tails_;
  Interrupt interrupt_;
  Diagnostics diagnostics_;
  std::optional<build::ImageFinder> finder_;
  unsigned kept_ = 0;  ///< steps that are known now, of
  unsigned total_ = 0;
};

int build_image(const GivenArguments& given, const GlobalOptions& global) {
  auto request = make_request(given);
  if (request.call == "targets" || request.call == "outline") {
    Diagnostics diagnostics;
    const auto file = dockerfile::parse(request.dockerfile, request.dockerfile_name, diagnostics);
    write_out(request.call == "targets" ? targets_text(file) : outline_text(file));
    return 0;
  }
  sandbox::enter_private_namespace();  // before the first thread
  ImageBuild image(request, global);
  return request.call == "check" ? image.check() : image.run();
}

}  // namespace

int run_image_build(std::span<const std::string> arguments, const GlobalOptions& global) {
  try {
    const auto given = parse_image_build(arguments);
    if (given.help) {
      write_out(image_build_help());
      return 0;
    }
    return build_image(given, global);
  } catch (const Error& error) {
    write_err(render_docker_error(error));
    return docker_exit_status(error.kind());
  }
}

}  // namespace dlc::cli
