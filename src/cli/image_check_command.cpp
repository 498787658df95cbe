// `dlc image check`: docs/image-check.md.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include "base/files.h"
#include "base/suggest.h"
#include "buildspec/plan.h"
#include "cli/image_command.h"
#include "cli/image_contents.h"
#include "cli/image_lookup.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/version.h"
#include "verify/allowlist.h"
#include "verify/check_output.h"

namespace dlc::cli {

namespace {

constexpr const char* kAllowlistName = "image-check.toml";

struct ImageCheckOptions {
  std::vector<std::string> images;
  std::string output = "text";
  std::string against;
  std::vector<std::string> rules, skipped;
  std::vector<std::string> allowlists;
  std::vector<std::string> labels;
  std::string limits;
  verify::CheckOptions check;
  std::size_t max_allowed = 5;
  std::size_t limit = 10;
  bool strict = false, list = false, sizes = false;
};

void add_check_options(CLI::App& app, ImageCheckOptions& options) {
  app.add_option("IMAGE", options.images, "names or digests");
  app.add_option("--output", options.output, "text, json or sarif")->check(CLI::IsMember({"text", "json", "sarif"}));
  app.add_option("--against", options.against, "compare the size with this image's")->type_name("IMAGE");
  app.add_option("--max-growth", options.check.max_growth, "per cent that it may be larger (default 20)")
      ->check(CLI::Range(0, 1'000'000'000));
  app.add_option("--rule", options.rules, "only these rules, by number or name")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--skip", options.skipped, "all but these rules")->delimiter(',')->allow_extra_args(false);
  app.add_option("--allowlist", options.allowlists,
                 "exceptions; may repeat (default: image-check.toml beside the image's Dockerfile and buildspec)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--max-allowed", options.max_allowed, "findings that exceptions may cover (default 5)")
      ->check(CLI::Range(0, 1'000'000'000));
  app.add_option("--required-label", options.labels,
                 "a label that must be there, instead of the usual four; may repeat")
      ->allow_extra_args(false);
  app.add_option("--platform-limits", options.limits, "check the limits of this platform: sagemaker")
      ->check(CLI::IsMember({"sagemaker"}));
  app.add_option("--limit", options.limit, "findings of one rule to print, 0 for all (default 10)")
      ->check(CLI::Range(0, 1'000'000'000));
  app.add_flag("--sizes", options.sizes, "print the largest layers, directories and packages");
  app.add_flag("--strict", options.strict, "exit status 1 for warnings too");
  app.add_flag("--list", options.list, "list the rules");
}

std::string rule_list() {
  std::string text;
  for (const auto& rule : verify::image_rules()) {
    text += fmt::format("{}  {:<8} {:<20} {}\n", rule.id, rule.severity == Severity::error ? "error" : "warning",
                        rule.name, rule.title);
  }
  return text;
}

/// The ids of rules named by number or name. Error(usage) for another.
std::set<std::string> rule_ids(const std::vector<std::string>& names) {
  std::set<std::string> ids;
  for (const auto& name : names) {
    std::vector<std::string> known;
    for (const auto& rule : verify::image_rules()) {
      known.insert(known.end(), {rule.id, rule.name});
      if (name == rule.id || name == rule.name) {
        ids.insert(rule.id);
      }
    }
    if (std::ranges::find(known, name) == known.end()) {
      const auto similar = closest(name, known);
      throw Error(ErrorKind::usage, "no rule " + name)
          .hint(similar.empty() ? "dlc image check --list shows them" : "did you mean " + similar + "?");
    }
  }
  return ids;
}

std::string today() {
  return fmt::format("{:%Y-%m-%d}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

/// The allowlists that belong to an image that a buildspec of the working directory makes.
std::vector<std::string> usual_allowlists(const std::string& name, const std::optional<buildspec::Plan>& plan) {
  std::vector<std::string> files;
  if (!plan) {
    return files;
  }
  for (const auto& image : plan->images) {
    if (familiar_name(buildspec::short_name(image)) != name) {
      continue;
    }
    for (const auto& file : {image.docker_file_path, image.buildspec}) {
      const auto path = std::filesystem::path(file).parent_path() / kAllowlistName;
      std::error_code ignored;
      if (std::filesystem::is_regular_file(path, ignored) && std::ranges::find(files, path.string()) == files.end()) {
        files.push_back(path.string());
      }
    }
  }
  return files;
}

/// The exceptions of what a wrong buildspec makes cannot be found: findings come up that were allowed before.
void note_wrong_buildspec(const std::string& what) {
  std::fprintf(stderr, "note: no %s was looked for beside a Dockerfile or buildspec: %s; dlc lint tells more\n",
               kAllowlistName, what.c_str());
}

/// What the buildspecs of the working directory say; nullopt where there are none, or wrong ones, after a note.
std::optional<buildspec::Plan> plan_here() {
  buildspec::ResolveOptions options;
  options.environment = buildspec::process_environment();
  options.check_files = false;
  Diagnostics found;
  try {
    auto plan = buildspec::resolve(options, found);
    if (found.errors() == 0) {
      return plan;
    }
    const auto first = std::ranges::find(found.all(), Severity::error, &Diagnostic::severity);
    note_wrong_buildspec(first->where.file + " has mistakes");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) {  // that: there is none here
      note_wrong_buildspec(error.what());
    }
  }
  return std::nullopt;
}

std::vector<store::IndexEntry> all_entries(const OpenedImage& image) {
  std::vector<store::IndexEntry> entries;
  for (const auto& layer : image.layers) {
    entries.insert(entries.end(), layer.begin(), layer.end());
  }
  return entries;
}

std::vector<std::string> steps_of_layers(const oci::ImageConfig& config) {
  std::vector<std::string> steps;
  for (const auto& step : config.history) {
    if (!step.empty_layer) {
      steps.push_back(step.created_by);
    }
  }
  return steps;
}

class ImageCheck {
 public:
  ImageCheck(const ImageCheckOptions& options, store::Store& store)
      : options_(options), store_(store), only_(rule_ids(options.rules)), skip_(rule_ids(options.skipped)) {
    if (std::ranges::none_of(verify::image_rules(), [&](const auto& rule) { return chosen(rule); })) {
      throw Error(ErrorKind::usage, "--rule and --skip leave no rule to check").hint("take one of them away");
    }
    if (options.allowlists.empty()) {
      plan_ = plan_here();
    }
  }

  verify::CheckedImage check(const std::string& name) {
    const auto image = find_image(store_, name);
    const auto opened = open_image(store_, image);
    auto subject = verify::make_subject(*opened.tree, image.config(), opened.layer_bytes, options_.check);
    verify::CheckedImage result;
    result.name = image.name.empty() ? image.digest.str() : familiar_name(image.name);
    result.digest = image.manifest_digest().str();
    result.bytes = subject.bytes();
    const auto entries = all_entries(opened);
    compare(subject, entries, result);
    const auto is_chosen = [&](const verify::ImageRule& rule) { return chosen(rule); };
    result.findings = verify::check_image(subject, is_chosen);
    verify::apply_allowlist(result.findings, exceptions(result.name), result.name, today(), options_.max_allowed,
                            is_chosen);
    if (options_.sizes || options_.output == "json") {
      const auto steps = steps_of_layers(image.config());
      for (std::size_t i = 0; i < opened.layer_bytes.size(); ++i) {
        result.layers.push_back({i + 1, opened.layer_bytes[i], i < steps.size() ? steps[i] : ""});
      }
      result.paths = verify::largest_paths(entries, 0, 10);
      result.packages = verify::largest_packages(subject, 10);
    }
    return result;
  }

 private:
  [[nodiscard]] bool chosen(const verify::ImageRule& rule) const {
    return (only_.empty() || only_.contains(rule.id)) && !skip_.contains(rule.id);
  }

  void compare(verify::Subject& subject, const std::vector<store::IndexEntry>& entries, verify::CheckedImage& result) {
    if (options_.against.empty()) {
      return;
    }
    const auto before = open_image(store_, find_image(store_, options_.against));
    for (const auto bytes : before.layer_bytes) {
      subject.against_bytes += bytes;
    }
    subject.growth = verify::growth(all_entries(before), entries);
    result.growth = subject.growth;
    result.against = options_.against;
  }

  std::vector<verify::Exception> exceptions(const std::string& name) {
    std::vector<verify::Exception> all;
    for (const auto& file : options_.allowlists.empty() ? usual_allowlists(name, plan_) : options_.allowlists) {
      const auto some = verify::parse_allowlist(read_file(file, 1U << 20), file);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  const ImageCheckOptions& options_;
  store::Store& store_;
  std::set<std::string> only_, skip_;
  std::optional<buildspec::Plan> plan_;
};

}  // namespace

int run_image_check(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Look for mistakes in finished images.", "dlc image check");
  ImageCheckOptions options;
  add_check_options(app, options);
  if (!parse(app, arguments)) {
    return 0;
  }
  if (options.list) {
    print_out(rule_list());
    return 0;
  }
  if (options.images.empty()) {
    throw Error(ErrorKind::usage, "which image?").hint("dlc image ls lists them");
  }
  options.check.sagemaker = options.limits == "sagemaker";
  if (!options.labels.empty()) {
    options.check.required_labels = options.labels;
  }
  const auto store = open_store(global.store);
  ImageCheck check(options, *store);
  std::vector<verify::CheckedImage> images;
  bool failed = false;
  for (const auto& name : options.images) {
    images.push_back(check.check(name));
    failed = failed || images.back().count(Severity::error) > 0 ||
             (options.strict && images.back().count(Severity::warning) > 0);
  }
  std::string text;
  if (options.output == "text") {
    for (const auto& image : images) {
      text += verify::check_text(image, options.limit, options.sizes);
    }
  } else {
    text = options.output == "json" ? verify::check_json(images) : verify::check_sarif(images, kVersion);
  }
  print_out(text);
  return failed ? 1 : 0;
}

}  // namespace dlc::cli
