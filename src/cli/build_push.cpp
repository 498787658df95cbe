#include "cli/build_push.h"

#include <fmt/format.h>

#include <set>

#include "buildspec/plan.h"
#include "cli/progress_view.h"
#include "oci/reference.h"
#include "registry/push.h"

namespace dlc::cli {

namespace {

PushOutcome push_one(const ImageOutcome& outcome, registry::RegistryClient& client, const registry::PushOptions& base,
                     store::Store& store, EventBus& bus) {
  PushOutcome result{.reference = buildspec::full_reference(*outcome.image), .error = std::nullopt, .summary = {}};
  Activity activity(bus, ActivityKind::push, result.reference);
  auto options = base;
  options.parent = activity.id();
  try {
    const auto pushed = registry::push_image(client, oci::parse_reference(result.reference), store,
                                             outcome.manifest.digest, options, bus);
    result.summary = push_summary(pushed);
    activity.finish(ActivityResult::done);
  } catch (const Error& error) {
    result.error = error;
    activity.finish(ActivityResult::failed, error.what());
  }
  return result;
}

}  // namespace

std::string push_summary(const registry::Pushed& pushed) {
  return fmt::format("{} blobs: {} there already, {} mounted, {} sent ({}){}",
                     pushed.present + pushed.mounted + pushed.sent, pushed.present, pushed.mounted, pushed.sent,
                     format_bytes(pushed.bytes),
                     pushed.referrers > 0 ? fmt::format("; {} attached", pushed.referrers) : "");
}

std::vector<PushOutcome> push_built(std::span<const ImageOutcome> outcomes, store::Store& store, EventBus& bus,
                                    bool referrers, const std::stop_token& stop) {
  registry::RegistryOptions registry_options;
  registry_options.http.on_retry = [&](const std::string& reason) { bus.message("warning", reason); };
  registry::RegistryClient client(std::move(registry_options));
  std::vector<PushOutcome> pushes;
  std::set<std::string> repositories;
  for (const auto& outcome : outcomes) {
    if (outcome.status != ImageStatus::built && outcome.status != ImageStatus::up_to_date) {
      continue;
    }
    registry::PushOptions options;
    options.stop = stop;
    options.referrers = referrers;
    options.mount_from.assign(repositories.begin(), repositories.end());
    pushes.push_back(push_one(outcome, client, options, store, bus));
    if (!pushes.back().error) {
      repositories.insert(oci::parse_reference(pushes.back().reference).path);
    }
  }
  return pushes;
}

std::string render_pushes(std::span<const PushOutcome> pushes) {
  std::string text = "Pushed\n";
  for (const auto& push : pushes) {
    if (!push.error) {
      text += fmt::format(" {}   {}\n", push.reference, push.summary);
      continue;
    }
    text += fmt::format(" {}   Failed   {}\n", push.reference, push.error->what());
    if (!push.error->hint().empty()) {
      text += fmt::format("   {}\n", push.error->hint());
    }
    text += "   the image is in the store; the same command pushes it again\n";
  }
  return text;
}

}  // namespace dlc::cli
