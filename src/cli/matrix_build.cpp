#include "cli/matrix_build.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>

#include "base/files.h"
#include "build/lower.h"
#include "dockerfile/dockerfile.h"
#include "oci/reference.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kDefaultEpoch = 1577836800;  // 2020-01-01 (docs/engine.md, "Time")

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// One image on its way.
struct Slot {
  ImageOutcome outcome;
  Slot* parent = nullptr;  // the selected image it is based on
  bool settled = false;
  std::unique_ptr<Activity> activity;
  SteadyTime begun;
  std::optional<build::ImageTarget> target;
  std::shared_ptr<const build::ResolvedImage> result;  // for children
};

void describe_missing(const buildspec::ContextEntry& entry, const fs::path& path) {
  throw Error(ErrorKind::not_found, fmt::format("{} is not there", path.string()))
      .at(entry.where)
      .hint(fmt::format("it was to become {} in the build context", entry.target));
}

/// The repository's own list of bases; empty leaves it to the usual search.
std::string bases_of(const fs::path& root) {
  std::error_code ignored;
  const auto file = root / "base" / "images.toml";
  return fs::is_regular_file(file, ignored) ? file.string() : std::string();
}

build::NamedContext make_context(const buildspec::PlannedImage& image, const fs::path& root) {
  build::NamedContext context;
  context.local.name = "context";
  for (const auto& entry : image.context) {
    const auto path = fs::absolute(root / entry.path).lexically_normal();
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      describe_missing(entry, path);
    }
    auto target = fs::path(entry.target).lexically_normal().relative_path().string();
    while (target.ends_with('/')) {
      target.pop_back();
    }
    if (target == "." || target == "..") {
      target.clear();
    }
    if (target.starts_with("../")) {
      throw Error(ErrorKind::invalid, "the target " + entry.target + " lies outside the build context").at(entry.where);
    }
    context.local.entries.push_back({path.string(), target});
  }
  return context;
}

}  // namespace

std::map<std::string, std::string> host_proxies() {
  std::map<std::string, std::string> found;
  for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
                           "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != 0) {  // NOLINT(concurrency-mt-unsafe)
      found.emplace(name, value);
    }
  }
  return found;
}

unsigned count_steps(const build::Graph& graph, build::VertexId root) {
  std::vector<bool> seen(graph.size());
  std::vector<build::VertexId> open{root};
  unsigned count = 0;
  while (!open.empty()) {
    const auto id = open.back();
    open.pop_back();
    if (seen[id]) {
      continue;
    }
    seen[id] = true;
    const auto& vertex = graph.at(id);
    count += std::holds_alternative<build::RunOp>(vertex.op) || std::holds_alternative<build::CopyOp>(vertex.op) ||
                     std::holds_alternative<build::MakeDirectoryOp>(vertex.op)
                 ? 1
                 : 0;
    open.insert(open.end(), vertex.inputs.begin(), vertex.inputs.end());
  }
  return count;
}

struct MatrixBuild::State {
  const buildspec::Plan& plan;
  store::Store& store;
  EventBus& bus;
  LogFiles& logs;
  MatrixOptions options;
  std::stop_token stop;
  build::ImageFinder finder;
  build::Graph graph;
  std::vector<Slot> slots;

  void make_slots();
  [[nodiscard]] std::vector<Slot*> next_wave();
  void run_wave(const std::vector<Slot*>& wave);
  void begin(Slot& slot);
  void lower(Slot& slot);
  void take_result(Slot& slot, const build::TargetResult& result);
  void check_and_name(Slot& slot, const build::TargetResult& result);
  void keep_for_children(Slot& slot, const build::TargetResult& result);
  void fail(Slot& slot, const Error& error);
  void settle(Slot& slot, ActivityResult result, const std::string& error = {});
  [[nodiscard]] fs::path log_path(const buildspec::PlannedImage& image) const;
};

void MatrixBuild::State::make_slots() {
  for (const auto& image : plan.images) {
    if (image.to_build) {
      auto& slot = slots.emplace_back();
      slot.outcome.image = &image;
      slot.outcome.name = buildspec::short_name(image);
    }
  }
  for (auto& slot : slots) {
    const auto& image = *slot.outcome.image;
    if (!image.base_image_name) {
      continue;
    }
    for (auto& other : slots) {
      if (other.outcome.image->buildspec == image.buildspec && other.outcome.image->name == *image.base_image_name) {
        slot.parent = &other;
      }
    }
  }
}

std::vector<Slot*> MatrixBuild::State::next_wave() {
  std::vector<Slot*> wave;
  bool changed = true;
  while (changed) {  // an image that cannot start settles, which may settle its children
    changed = false;
    for (auto& slot : slots) {
      if (slot.settled || slot.parent == nullptr || !slot.parent->settled || slot.parent->result) {
        continue;
      }
      const bool interrupted = slot.parent->outcome.status == ImageStatus::interrupted;
      slot.outcome.status = interrupted ? ImageStatus::interrupted : ImageStatus::not_started;
      slot.outcome.reason = "its base failed: " + slot.parent->outcome.name;
      slot.settled = true;
      changed = true;
    }
  }
  for (auto& slot : slots) {
    if (!slot.settled && (slot.parent == nullptr || slot.parent->result)) {
      wave.push_back(&slot);
    }
  }
  return wave;
}

fs::path MatrixBuild::State::log_path(const buildspec::PlannedImage& image) const {
  const auto is_twin = [&](const Slot& slot) {
    const auto& other = *slot.outcome.image;
    return &other != &image && other.framework == image.framework && other.name == image.name;
  };
  const bool unique = std::ranges::none_of(slots, is_twin);
  auto name = unique ? image.name : image.name + "-" + image.stable_tag;
  std::ranges::replace(name, '/', '-');
  auto folder = image.framework.empty() ? std::string("images") : image.framework;
  std::ranges::replace(folder, '/', '-');
  return options.logs / folder / (name + ".log");
}

void MatrixBuild::State::begin(Slot& slot) {
  slot.begun = std::chrono::steady_clock::now();
  slot.outcome.started = unix_now();
  slot.activity = std::make_unique<Activity>(bus, ActivityKind::image, slot.outcome.name);
  const auto path = log_path(*slot.outcome.image);
  slot.outcome.log = path.string();
  logs.assign(slot.activity->id(),
              fmt::format("# {} ({} of {}), {}", slot.outcome.name, slot.outcome.image->name,
                          slot.outcome.image->buildspec, oci::rfc3339(slot.outcome.started)),
              options.root / path);
}

void MatrixBuild::State::lower(Slot& slot) {
  const auto& image = *slot.outcome.image;
  if (!image.downloads.empty()) {
    throw Error(ErrorKind::unsupported, "the context entry " + image.downloads.front().uri +
                                            " has to be fetched from " + image.downloads.front().type +
                                            ", which dlc cannot do yet")
        .at(image.downloads.front().where)
        .hint("fetch it yourself and name the local file in the buildspec's context");
  }
  const auto path = (options.root / image.docker_file_path).lexically_normal();
  Diagnostics diagnostics;
  std::string text;
  try {
    text = read_file(path, 16 << 20);
  } catch (Error& error) {
    throw error.at(image.docker_file_where);
  }
  const auto file = dockerfile::parse(text, image.docker_file_path, diagnostics);
  build::LowerOptions lowering;
  lowering.dockerfile_name = image.docker_file_path;
  lowering.build_args = host_proxies();
  for (const auto& [key, value] : image.build_args) {
    lowering.build_args[key] = value;
  }
  std::string parent_name;
  if (image.base_image_name) {
    // selected: the image of this run; not selected: the one in the store under its stable name
    parent_name = slot.parent != nullptr ? slot.parent->outcome.name : "";
    for (const auto& other : plan.images) {
      if (other.buildspec == image.buildspec && other.name == *image.base_image_name) {
        parent_name = buildspec::short_name(other);
      }
    }
    lowering.build_args["BASE_IMAGE"] = parent_name;
  }
  lowering.target = image.target.value_or("");
  lowering.platform = lowering.build_platform = oci::host_platform();
  lowering.context = make_context(image, options.root);
  for (const auto& [key, value] : image.labels) {
    lowering.labels[key] = value;
  }
  lowering.no_cache = options.no_cache;
  lowering.epoch = image.source_date_epoch.value_or(kDefaultEpoch);
  lowering.epoch_in_run = true;
  const auto resolver = [&](const std::string& name, const oci::Platform& platform) {
    return slot.parent != nullptr && name == parent_name ? slot.parent->result : finder.resolve(name, platform);
  };
  slot.target = build::lower(file, lowering, resolver, graph, diagnostics);
  slot.target->name = slot.outcome.name;
  slot.outcome.total_steps = count_steps(graph, slot.target->root);
}

void MatrixBuild::State::run_wave(const std::vector<Slot*>& wave) {
  std::vector<build::ImageTarget> targets;
  std::vector<ActivityId> activities;
  std::vector<Slot*> solved;
  for (auto* slot : wave) {
    begin(*slot);
    try {
      if (stop.stop_requested()) {
        throw Error(ErrorKind::cancelled, "interrupted");
      }
      lower(*slot);
    } catch (const Error& error) {
      fail(*slot, error);
      continue;
    }
    targets.push_back(*slot->target);
    activities.push_back(slot->activity->id());
    solved.push_back(slot);
  }
  if (targets.empty()) {
    return;
  }
  static_cast<void>(
      build::solve(graph, targets, store, bus, options.solve, stop, activities,
                   [&](std::size_t index, const build::TargetResult& result) { take_result(*solved[index], result); }));
}

void MatrixBuild::State::take_result(Slot& slot, const build::TargetResult& result) {
  auto& outcome = slot.outcome;
  outcome.steps = result.steps;
  if (result.failed_vertex) {
    outcome.failed_step = graph.at(*result.failed_vertex).name;
    outcome.failed_log = logs.step(slot.activity->id(), outcome.failed_step);
  }
  if (result.error) {
    fail(slot, *result.error);
    return;
  }
  try {
    check_and_name(slot, result);
    keep_for_children(slot, result);
    settle(slot, outcome.status == ImageStatus::up_to_date ? ActivityResult::cached : ActivityResult::done);
  } catch (const Error& error) {
    fail(slot, error);
  }
}

void MatrixBuild::State::check_and_name(Slot& slot, const build::TargetResult& result) {
  auto& outcome = slot.outcome;
  outcome.manifest = result.manifest;
  outcome.config = result.config;
  outcome.reasons = logs.reasons(slot.activity->id());
  std::vector<std::string> made_by;
  for (const auto& entry : slot.target->config.history) {
    if (!entry.empty_layer) {
      made_by.push_back(entry.created_by);
    }
  }
  std::vector<verify::SizedLayer> layers;
  for (std::size_t i = 0; i < result.layers.size(); ++i) {
    const auto& layer = result.layers[i];
    outcome.bytes += layer.size;
    layers.push_back({layer.size, i < made_by.size() ? made_by[i] : "",
                      [this, diff_id = layer.diff_id] { return store.layers().index(diff_id); }});
  }
  outcome.size = verify::check_size(layers, outcome.image->image_size_baseline);

  const auto name = oci::parse_reference(outcome.name).str();
  const auto known = store.records().find_image(name);
  const bool same = known && known->manifest == result.manifest.digest;
  if (!same) {
    store.records().tag(name, result.manifest.digest);
    const auto full = buildspec::full_reference(*outcome.image);
    if (!buildspec::unset_placeholder(full)) {
      store.records().tag(oci::parse_reference(full).str(), result.manifest.digest);
    }
  }
  if (outcome.size.over) {
    throw Error(ErrorKind::failed, fmt::format("size {} MiB is over 1.2 x the baseline of {} MiB",
                                               verify::to_mib(outcome.bytes), outcome.image->image_size_baseline))
        .at(outcome.image->baseline_where);
  }
  outcome.status = same && result.steps.run == 0 ? ImageStatus::up_to_date : ImageStatus::built;
}

void MatrixBuild::State::keep_for_children(Slot& slot, const build::TargetResult& result) {
  slot.result = std::make_shared<build::ResolvedImage>(
      build::ResolvedImage{.name = slot.outcome.name,
                           .manifest_digest = result.manifest.digest,
                           .manifest = oci::parse_manifest(store.blobs().read(result.manifest.digest)),
                           .config = oci::parse_config(store.blobs().read(result.config)),
                           .origin = "store",
                           .origin_location = ""});
}

void MatrixBuild::State::fail(Slot& slot, const Error& error) {
  const bool cancelled = error.kind() == ErrorKind::cancelled;
  slot.outcome.status = cancelled ? ImageStatus::interrupted : ImageStatus::failed;
  slot.outcome.error = error;
  settle(slot, cancelled ? ActivityResult::cancelled : ActivityResult::failed, cancelled ? "" : error.what());
}

void MatrixBuild::State::settle(Slot& slot, ActivityResult result, const std::string& error) {
  slot.settled = true;
  slot.outcome.seconds = seconds_between(slot.begun, std::chrono::steady_clock::now());
  slot.activity->finish(result, error);
}

MatrixBuild::MatrixBuild(const buildspec::Plan& plan, store::Store& store, EventBus& bus, LogFiles& logs,
                         const MatrixOptions& options, std::stop_token stop)
    : state_(new State{
          .plan = plan,
          .store = store,
          .bus = bus,
          .logs = logs,
          .options = options,
          .stop = stop,
          .finder = build::ImageFinder(
              store, bus,
              {.pull = options.pull, .bases_file = bases_of(options.root), .refresh_bases = options.refresh_bases},
              stop),
          .graph = {},
          .slots = {}}) {}

MatrixBuild::~MatrixBuild() = default;

std::vector<ImageOutcome> MatrixBuild::run() {
  auto& state = *state_;
  state.make_slots();
  for (auto wave = state.next_wave(); !wave.empty(); wave = state.next_wave()) {
    state.run_wave(wave);
  }
  std::vector<ImageOutcome> outcomes;
  for (auto& slot : state.slots) {
    outcomes.push_back(std::move(slot.outcome));
  }
  return outcomes;
}

}  // namespace dlc::cli
