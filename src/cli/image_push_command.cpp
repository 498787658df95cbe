// `dlc image push`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <set>

#include "base/error.h"
#include "cli/build_push.h"
#include "cli/image_command.h"
#include "cli/image_lookup.h"
#include "cli/interrupt.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/progress.h"
#include "cli/progress_view.h"
#include "oci/reference.h"
#include "registry/push.h"

namespace dlc::cli {

namespace {

/// Repositories of the same registry that images here came from or went to: their layers may be there.
std::vector<std::string> neighbours(store::Store& store, const oci::Reference& target) {
  constexpr std::size_t kMost = 3;
  std::set<std::string> paths;
  for (const auto& record : store.records().images()) {
    const auto reference = oci::parse_reference(record.name);
    if (reference.registry == target.registry && reference.path != target.path && paths.size() < kMost) {
      paths.insert(reference.path);
    }
  }
  return {paths.begin(), paths.end()};
}

}  // namespace

int run_image_push(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Send an image to a registry.", "dlc image push");
  std::string name;
  std::string target;
  std::string progress_word = "auto";
  app.add_option("IMAGE", name, "a name or digest in the store")->required();
  app.add_option("TARGET", target, "[registry/]name[:tag] there; without it IMAGE's own name");
  bool no_referrers = false;
  app.add_flag("--no-referrers", no_referrers, "leave out what is attached to it (bills of materials)");
  app.add_option("--progress", progress_word, "auto, tty, plain, quiet, jsonl or rawjson");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto mode = parse_progress_mode(progress_word);
  if (!mode) {
    throw Error(ErrorKind::usage, "unknown form of progress: " + progress_word);
  }
  const auto reference = oci::parse_reference(target.empty() ? name : target);
  const auto store = open_store(global.store);
  const auto image = find_image(*store, name);
  const Interrupt interrupt;
  EventBus bus;
  Progress progress(bus, {.mode = *mode});
  registry::RegistryOptions registry_options;
  registry_options.http.on_retry = [&](const std::string& reason) { bus.message("warning", reason); };
  registry::RegistryClient client(std::move(registry_options));
  registry::PushOptions options;
  options.mount_from = neighbours(*store, reference);
  options.stop = interrupt.token();
  options.referrers = !no_referrers;
  Activity activity(bus, ActivityKind::push, reference.familiar());
  options.parent = activity.id();
  registry::Pushed pushed;
  try {
    pushed = registry::push_image(client, reference, *store, image.digest, options, bus);
  } catch (const Error& error) {
    activity.finish(error.kind() == ErrorKind::cancelled ? ActivityResult::cancelled : ActivityResult::failed,
                    error.message());
    throw;
  }
  activity.finish(ActivityResult::done);
  progress.close();
  print_out(
      fmt::format("pushed {}  {}  {}\n", reference.familiar(), pushed.descriptor.digest.str(), push_summary(pushed)));
  return 0;
}

}  // namespace dlc::cli
