#include "cli/matrix_build.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/stop.h"
#include "build/remote_file.h"
#include "cli/image_lowering.h"
#include "oci/reference.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

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

std::vector<store::IndexEntry> entries_of(store::Store& store, const std::vector<build::Digest>& diff_ids) {
  std::vector<store::IndexEntry> all;
  for (const auto& diff_id : diff_ids) {
    auto index = store.layers().index(diff_id);
    all.insert(all.end(), std::make_move_iterator(index.begin()), std::make_move_iterator(index.end()));
  }
  return all;
}

/// Nothing where the earlier image is no longer whole: it only adds to an error.
std::optional<verify::Growth> growth_since(store::Store& store, const build::Digest& manifest,
                                           const std::vector<store::Layer>& layers) {
  try {
    const auto before = oci::parse_manifest(store.blobs().read(manifest));
    const auto config = oci::parse_config(store.blobs().read(before.config.digest));
    std::vector<build::Digest> now;
    for (const auto& layer : layers) {
      now.push_back(layer.diff_id);
    }
    return verify::growth(entries_of(store, config.diff_ids), entries_of(store, now));
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

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
  void count_never_started();
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
  const auto parent = parent_of(plan, *slot.outcome.image);
  const auto resolver = [&](const std::string& name, const oci::Platform& platform) {
    return slot.parent != nullptr && name == parent ? slot.parent->result : finder.resolve(name, platform);
  };
  ImageLowering lowering{.root = options.root, .parent = parent, .no_cache = options.no_cache};
  for (const auto& download : slot.outcome.image->downloads) {
    try {
      lowering.downloads[download.uri] = build::fetch_remote_file(download.uri, store, bus, slot.activity->id(), stop);
    } catch (Error& error) {
      throw error.at(download.where);
    }
  }
  slot.target = lower_image(*slot.outcome.image, lowering, resolver, graph);
  slot.outcome.total_steps = count_steps(graph, slot.target->root);
}

/// What an interrupt did not let begin has steps too: they are counted over a base that is not looked for.
void MatrixBuild::State::count_never_started() {
  auto unknown = std::make_shared<build::ResolvedImage>();
  unknown->config.platform = oci::host_platform();
  for (auto& slot : slots) {
    if (slot.outcome.status != ImageStatus::interrupted || slot.target) {
      continue;
    }
    try {
      ImageLowering lowering{.root = options.root, .parent = parent_of(plan, *slot.outcome.image)};
      for (const auto& download : slot.outcome.image->downloads) {
        lowering.downloads[download.uri] = "/dev/null";
      }
      build::Graph apart;
      const auto resolver = [&](const std::string&, const oci::Platform&) { return unknown; };
      const auto target = lower_image(*slot.outcome.image, lowering, resolver, apart);
      slot.outcome.total_steps = count_steps(apart, target.root);
    } catch (const Error&) {  // the next build will say what is wrong with it
    }
  }
}

void MatrixBuild::State::run_wave(const std::vector<Slot*>& wave) {
  std::vector<build::ImageTarget> targets;
  std::vector<ActivityId> activities;
  std::vector<Slot*> solved;
  for (auto* slot : wave) {
    begin(*slot);
    try {
      check_stop(stop);
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
    const auto place = slot.target->places.find(*result.failed_vertex);
    const auto& name = graph.at(*result.failed_vertex).name;
    outcome.failed_step = place != slot.target->places.end() ? place->second.name : name;
    outcome.failed_log = logs.step(slot.activity->id(), name);
    if (outcome.failed_log && !outcome.failed_log->file.empty()) {
      outcome.failed_log->file = fs::path(outcome.failed_log->file).lexically_proximate(options.root).string();
    }
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
  if (outcome.size.over && known && !same) {
    outcome.growth = growth_since(store, known->manifest, result.layers);
  }
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
  state.count_never_started();
  std::vector<ImageOutcome> outcomes;
  for (auto& slot : state.slots) {
    outcomes.push_back(std::move(slot.outcome));
  }
  return outcomes;
}

}  // namespace dlc::cli
