#include "build/solver.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/stop.h"
#include "build/assemble.h"
#include "build/cache_import.h"
#include "build/context_tree.h"
#include "build/keys.h"
#include "build/layer_supply.h"
#include "build/pool.h"
#include "build/sources.h"
#include "build/step.h"
#include "store/host.h"

namespace dlc::build {

namespace {

using Clock = std::chrono::steady_clock;

bool is_step(const Op& op) {
  return std::holds_alternative<RunOp>(op) || std::holds_alternative<CopyOp>(op) ||
         std::holds_alternative<MakeDirectoryOp>(op);
}

struct VertexState {
  enum class Status { idle, known, waiting, running, done, failed };
  Status status = Status::idle;
  bool reachable = false;
  bool in_image = false;  ///< its layer is one of a target's
  bool ran = false;
  bool anew = false;                         ///< it must not be taken from the cache, or what it is made of must not
  std::size_t owner = 0;                     ///< the first target that reaches it
  std::optional<StepKeys> keys;              ///< of a step
  std::optional<CacheImports::Offer> offer;  ///< known from a shared cache only, its layers not fetched yet
  Digest definition;                         ///< of a file system
  Value value;
  std::optional<Error> error;
  unsigned missing = 0;         ///< inputs not there yet
  std::vector<VertexId> users;  ///< waiting ones
  std::uint64_t priority = 0;   ///< longest way to a target
};

/// One run of the solver. The state belongs to the calling thread; jobs get values and send messages back.
class Solve {
 public:
  Solve(const Graph& graph, std::span<const ImageTarget> targets, store::Store& store, EventBus& bus,
        const SolveOptions& options, std::stop_token stop, std::span<const ActivityId> parents)
      : graph_(graph),
        targets_(targets),
        store_(store),
        bus_(bus),
        options_(options),
        stop_(std::move(stop)),
        parents_(parents),
        states_(graph.size()),
        results_(targets.size()),
        closures_(targets.size()),
        finished_(targets.size(), false),
        supply_(graph, store, bus, stop_) {}

  void prepare() {
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      std::vector<bool> seen(graph_.size());
      reach(targets_[t].root, t, seen);
      for (const auto id : spine(graph_, targets_[t].root)) {
        states_[id].in_image = true;
      }
    }
    for (VertexId id = 0; id < graph_.size(); ++id) {
      if (states_[id].reachable) {
        identify(id);
      }
    }
  }

  [[nodiscard]] std::vector<ProbedTarget> probe() {
    remote_ = false;
    prepare();
    std::vector<ProbedTarget> probed(targets_.size());
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      probed[t].chain = states_[targets_[t].root].value.chain;
      for (const auto id : closures_[t]) {
        const auto& state = states_[id];
        if (is_step(graph_.at(id).op)) {
          probed[t].steps.push_back({.vertex = id,
                                     .known = state.status == VertexState::Status::known,
                                     .keys = state.keys,
                                     .error = state.error});
        }
      }
    }
    return probed;
  }

  std::vector<TargetResult> run(const std::function<void(std::size_t, const TargetResult&)>& on_done) {
    prepare();
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      need(targets_[t].root);
    }
    if (options_.fetch_imports) {
      fetch_all();
    }
    report_known();
    std::size_t open = targets_.size();
    {
      const auto jobs = options_.jobs != 0 ? options_.jobs : std::max(1U, std::thread::hardware_concurrency());
      Pool pool(jobs);
      pool_ = &pool;
      const std::stop_callback wake(stop_, [this] { post([] {}); });
      start_ready();
      while (open > 0) {
        open -= finish_targets(on_done);
        if (open == 0) {
          break;
        }
        wait_for_message();
      }
      drain();
    }
    return std::move(results_);
  }

 private:
  using State = VertexState;

  /// Marks what target `t` is made of, inputs first.
  void reach(VertexId id, std::size_t t, std::vector<bool>& seen) {
    if (seen[id]) {
      return;
    }
    seen[id] = true;
    for (const auto input : graph_.at(id).inputs) {
      reach(input, t, seen);
    }
    closures_[t].push_back(id);
    auto& state = states_[id];
    if (!state.reachable) {
      state.reachable = true;
      state.owner = t;
    }
  }

  /// Finds the key of a vertex, and its result where that is known. A failure is kept: it fails the targets that need
  /// the vertex, and no others.
  void identify(VertexId id) {
    const auto& vertex = graph_.at(id);
    try {
      for (const auto input : vertex.inputs) {
        if (states_[input].error) {
          return fail(id, *states_[input].error, input);
        }
      }
      std::visit([&](const auto& op) { identify_op(id, op); }, vertex.op);
    } catch (const Error& error) {
      fail(id, error, id);
    }
  }

  void identify_op(VertexId id, const ScratchOp&) { know(id, Digest(), Digest()); }
  void identify_op(VertexId id, const ImageOp& op) {
    const auto chain = chain_of(op.image->config);
    know(id, chain, chain);
  }
  void identify_op(VertexId id, const LocalOp& op) { know_tree(id, std::make_shared<ContextTree>(op)); }
  void identify_op(VertexId id, const HttpOp& op) {
    check_remote(op.url);
    know_tree(id, fetch_http(op, store_, bus_, parent_of(id), stop_));
  }
  void identify_op(VertexId id, const GitOp& op) {
    check_remote(op.url);
    know_tree(id, fetch_git(op, store_, bus_, parent_of(id), git_access(op, options_.secrets, options_.ssh), stop_));
  }
  /// A probe asks nobody: what depends on a remote source stays open.
  void check_remote(const std::string& url) const {
    if (!remote_) {
      throw Error(ErrorKind::unsupported, "what " + url + " has now is known only when it is built");
    }
  }
  template <typename StepOp>
  void identify_op(VertexId id, const StepOp&) {
    const auto& vertex = graph_.at(id);
    auto& state = states_[id];
    std::vector<InputKey> inputs;
    for (const auto input : vertex.inputs) {
      const auto& known = states_[input];
      if (known.value.tree) {
        inputs.push_back({.definition = std::nullopt, .tree = known.value.tree, .label = {}});
      } else {
        inputs.push_back({.definition = known.definition, .tree = nullptr, .label = label_of(id, input)});
      }
    }
    state.keys = make_keys(vertex, inputs, store_.records(), std::thread::hardware_concurrency());
    state.definition = state.keys->definition;
    state.anew = vertex.no_cache || std::ranges::any_of(vertex.inputs, [&](auto input) { return states_[input].anew; });
    if (state.anew) {
      return;  // what its inputs turn out to be decides
    }
    if (const auto record = store_.records().find_step(state.definition); record && supply_.usable(record->result)) {
      return know(id, record->result, state.definition);
    }
    if (!remote_) {
      return find_by_content(id);
    }
    if (options_.imports != nullptr) {
      if (const auto offer = options_.imports->find(state.definition, supply_.bases())) {
        state.offer = offer;
        know(id, offer->chain, state.definition);
      }
    }
  }

  /// A vertex that a shared cache offers is needed; without its layers it is as if it had never been offered.
  void settle_offer(VertexId id) {
    auto& state = states_[id];
    const auto offer = std::exchange(state.offer, std::nullopt);
    if (supply_.accept(*options_.imports, *offer, id, parent_of(id))) {
      remember(id, state.definition, offer->chain, offer->step->cost_ms);
    } else {
      state.value.chain.reset();
      state.status = VertexState::Status::idle;
    }
  }

  void fetch_all() {
    for (VertexId id = 0; id < graph_.size(); ++id) {
      if (states_[id].reachable && states_[id].offer) {
        settle_offer(id);
      }
    }
  }

  /// In a probe: the second key, where the inputs' results are known. A build looks it up when they are there.
  void find_by_content(VertexId id) {
    if (const auto content = content_of(id)) {
      if (const auto record = store_.records().find_step(*content); record && supply_.usable(record->result)) {
        know(id, record->result, states_[id].keys->definition);
      }
    }
  }

  /// What an explanation calls a file system that a step takes.
  [[nodiscard]] std::string label_of(VertexId id, VertexId input) const {
    const auto& source = graph_.at(input);
    if (const auto* image = std::get_if<ImageOp>(&source.op)) {
      return "base " + image->image->name;
    }
    return graph_.at(id).inputs[0] == input ? std::string(kStepBefore) : "stage with " + source.name;
  }

  void know(VertexId id, const Digest& chain, const Digest& definition) {
    auto& state = states_[id];
    state.value.chain = chain;
    state.definition = definition;
    state.status = VertexState::Status::known;
  }
  void know_tree(VertexId id, std::shared_ptr<const Tree> tree) {
    states_[id].value.tree = std::move(tree);
    states_[id].status = VertexState::Status::known;
  }

  /// Of the steps that lead to `id`, which cannot run here, the first that cannot either: the one to tell about.
  VertexId first_unrunnable(VertexId id) const {
    auto first = id;
    std::set<VertexId> seen;
    std::vector<VertexId> open{id};
    while (!open.empty()) {
      const auto at = open.back();
      open.pop_back();
      if (!seen.insert(at).second || states_[at].status != VertexState::Status::idle || may_be_known(at)) {
        continue;
      }
      if (const auto* run = std::get_if<RunOp>(&graph_.at(at).op); run != nullptr && at < first) {
        try {
          check_runnable(*run, options_);
        } catch (const Error&) {
          first = at;  // inputs have lower numbers than their users
        }
      }
      open.insert(open.end(), graph_.at(at).inputs.begin(), graph_.at(at).inputs.end());
    }
    return first;
  }

  /// Decides that a vertex must have a result: a known one has, another one waits for its inputs.
  void need(VertexId id) {
    auto& state = states_[id];
    if (state.offer) {
      settle_offer(id);
    }
    if (state.status != VertexState::Status::idle) {
      return;
    }
    if (const auto* run = std::get_if<RunOp>(&graph_.at(id).op); run != nullptr && !may_be_known(id)) {
      try {
        check_runnable(*run, options_);  // before other steps ran for nothing
      } catch (const Error& error) {
        const auto first = first_unrunnable(id);
        fail(first, error, first);
        return fail(id, *states_[first].error, first);
      }
    }
    state.status = VertexState::Status::waiting;
    for (const auto input : graph_.at(id).inputs) {
      need(input);
      auto& source = states_[input];
      if (source.status == VertexState::Status::failed) {
        return fail(id, *source.error, failed_at_.at(input));
      }
      if (source.status == VertexState::Status::waiting) {
        source.users.push_back(id);
        ++state.missing;
      }
    }
  }

  /// Whether a waiting step can turn out to be known when its inputs are.
  [[nodiscard]] bool may_be_known(VertexId id) const {
    return !graph_.at(id).no_cache &&
           (options_.imports != nullptr || store_.records().knows_operation(states_[id].keys->operation));
  }

  void start_ready() {
    const auto has_failed = [&](const ImageTarget& target) {
      return states_[target.root].status == VertexState::Status::failed;
    };
    if (std::ranges::all_of(targets_, has_failed)) {
      return;  // what the failed ones would have needed is not made for nothing
    }
    rank();
    for (VertexId id = 0; id < graph_.size(); ++id) {
      if (states_[id].status == VertexState::Status::waiting && states_[id].missing == 0) {
        start(id);
      }
    }
  }

  /// The longest way from each vertex to a target decides what starts first.
  void rank() {
    constexpr std::uint64_t kRun = 100;
    for (VertexId id = static_cast<VertexId>(graph_.size()); id-- > 0;) {
      auto& state = states_[id];
      state.priority += std::holds_alternative<RunOp>(graph_.at(id).op) ? kRun : 1;
      for (const auto input : graph_.at(id).inputs) {
        states_[input].priority = std::max(states_[input].priority, state.priority);
      }
    }
  }

  void start(VertexId id) {
    if (stop_.stop_requested()) {
      return;
    }
    auto& state = states_[id];
    state.status = VertexState::Status::running;
    ++running_;
    std::vector<Value> inputs;
    for (const auto input : graph_.at(id).inputs) {
      inputs.push_back(states_[input].value);
    }
    pool_->submit(state.priority, [this, id, inputs = std::move(inputs)] { execute(id, inputs); });
  }

  [[nodiscard]] ActivityId parent_of(VertexId id) const {
    const auto owner = states_[id].owner;
    return owner < parents_.size() ? parents_[owner] : 0;
  }

  // ---- in a worker thread: reads what no other thread changes meanwhile, and posts what came of it ----

  void execute(VertexId id, const std::vector<Value>& inputs) {
    const auto& vertex = graph_.at(id);
    Activity activity(bus_, ActivityKind::step, vertex.name, parent_of(id));
    try {
      const auto outcome = execute_step(id, inputs, activity);
      activity.finish(outcome.ran ? ActivityResult::done : ActivityResult::cached);
      post([this, id, outcome] { complete(id, outcome); });
    } catch (Error& error) {
      if (error.where().line == 0 && vertex.where.line != 0) {
        error.at(vertex.where).excerpt(vertex.excerpt);
      }
      if (error.kind() == ErrorKind::exhausted && error.hint().empty()) {
        error.hint("dlc store df shows what takes the space, dlc store gc frees what nothing needs");
      }
      activity.finish(error);
      post([this, id, error] { fail_running(id, error); });
    } catch (const std::exception& failure) {
      Error error(ErrorKind::internal, failure.what());
      activity.finish(ActivityResult::failed, error.what());
      post([this, id, error] { fail_running(id, error); });
    }
  }

  struct Outcome {
    Digest chain;
    bool ran = false;
  };

  std::optional<CacheImports::Offer> offered(const Digest& content) const {
    return options_.imports == nullptr ? std::nullopt : options_.imports->find(content, supply_.bases());
  }

  Outcome execute_step(VertexId id, const std::vector<Value>& inputs, Activity& activity) {
    const auto& vertex = graph_.at(id);
    const auto& keys = *states_[id].keys;
    const auto lock = store_.lock_step(
        keys.definition,
        [&](const std::string& holder) {
          const bool ours = holder == store::describe_this_process();
          activity.log(LogStream::err,
                       "waiting for " + (ours ? "another image of this build" : holder) + ", which runs this step\n");
        },
        stop_);
    check_stop(stop_);  // it was in the queue when the stop came
    std::vector<std::optional<Digest>> chains;
    for (const auto& input : inputs) {
      chains.push_back(input.chain);
    }
    const auto content = content_key(keys, chains);
    if (!vertex.no_cache) {
      for (const auto& key : {keys.definition, content}) {
        if (states_[id].anew && key != content) {
          continue;
        }
        if (const auto record = store_.records().find_step(key); record && supply_.usable(record->result)) {
          activity.cache(key.hex(), "the same step over the same content is known");
          remember(id, content, record->result, record->cost_ms);
          return {.chain = record->result, .ran = false};
        }
      }
      if (const auto offer = offered(content); offer && supply_.accept(*options_.imports, *offer, id, activity.id())) {
        activity.cache(content.hex(), "a shared cache knows the same step over the same content");
        remember(id, content, offer->chain, offer->step->cost_ms);
        return {.chain = offer->chain, .ran = false};
      }
    }
    explain(id, activity);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].chain) {
        supply_.unpack(*inputs[i].chain, vertex.inputs[i], activity.id());
      }
    }
    const auto begin = Clock::now();
    const StepContext context{.store = store_,
                              .options = options_,
                              .vertex = vertex,
                              .inputs = inputs,
                              .pack = states_[id].in_image,
                              .activity = activity,
                              .stop = stop_};
    const auto layer = perform(context);
    const auto cost = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
    record_time(layer, vertex);
    remember(id, content, layer.chain_id, static_cast<std::uint64_t>(cost));
    return {.chain = layer.chain_id, .ran = true};
  }

  static store::Layer perform(const StepContext& context) {
    if (const auto* run = std::get_if<RunOp>(&context.vertex.op)) {
      return run_step(context, *run);
    }
    if (const auto* copy = std::get_if<CopyOp>(&context.vertex.op)) {
      return copy_step(context, *copy);
    }
    return make_directory_step(context, std::get<MakeDirectoryOp>(context.vertex.op));
  }

  /// A layer keeps the time of the first step that made it: images that have it must not change when another step comes
  /// to the same bytes. With an epoch nobody asks for the time.
  void record_time(const store::Layer& layer, const Vertex& vertex) {
    const auto name = "created/" + layer.chain_id.hex();
    if (vertex.epoch || store_.records().value(name)) {
      return;
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() % 1'000'000'000;
    store_.records().set_value(name, oci::rfc3339(seconds, static_cast<std::uint32_t>(nanoseconds)));
  }

  void remember(VertexId id, const Digest& content, const Digest& chain, std::uint64_t cost) {
    const auto& keys = *states_[id].keys;
    store::StepRecord record{.key = keys.definition,
                             .operation = keys.operation,
                             .result = chain,
                             .cost_ms = cost,
                             .inputs = to_json(keys.parts)};
    auto by_content = record;
    by_content.key = content;
    store_.records().put_step(record, by_content);
    std::vector<std::string> names;
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      if (std::ranges::find(closures_[t], id) != closures_[t].end()) {
        std::ranges::copy(memory_names(targets_[t].name, graph_.at(id).name), std::back_inserter(names));
      }
    }
    store_.records().set_last_step(names, keys.definition);
  }

  void explain(VertexId id, Activity& activity) {
    const auto& keys = *states_[id].keys;
    if (graph_.at(id).no_cache) {
      return activity.cache(keys.definition.hex(), "run without the cache, as asked");
    }
    const auto last = recall_step(store_.records(), targets_[states_[id].owner].name, graph_.at(id).name);
    const auto reason = last ? explain_difference(last->inputs, keys.parts) : "";
    const auto fallback = last ? "the result of the last build is gone" : "not built before";
    activity.cache(keys.definition.hex(), reason.empty() ? fallback : reason);
  }

  TargetResult assemble_target(std::size_t t, TargetResult result) {
    const auto& target = targets_[t];
    const auto chain = states_[target.root].value.chain.value();
    result.base_layers = supply_.fetch_base(target.root, t < parents_.size() ? parents_[t] : 0, true);
    if (!chain.is_zero()) {
      result.layers = store_.layers().chain(chain);
    }
    for (auto& layer : result.layers) {
      pack(layer, t < parents_.size() ? parents_[t] : 0);
    }
    assemble(target, graph_.at(target.root).epoch, store_, result);
    return result;
  }

  /// Sees to a blob as it is wanted. There is none where the layer was made for a stage that no image had.
  void pack(store::Layer& layer, ActivityId parent) {
    const bool here = store_.blobs().contains(layer.blob);
    if (here && !wants_recompression(layer)) {
      return;
    }
    std::optional<Activity> activity;
    if (!here) {
      activity.emplace(bus_, ActivityKind::layer, "packing layer " + layer.diff_id.str(), parent);
    }
    layer = store_.layers().recompress(layer.chain_id, options_.compression);
    if (activity) {
      activity->finish(ActivityResult::done);
    }
  }

  [[nodiscard]] bool wants_recompression(const store::Layer& layer) {
    if (supply_.bases().contains(layer.chain_id)) {
      return false;  // a base keeps its layers as they were published
    }
    switch (options_.compression.kind) {
      case codec::Compression::gzip:
        return layer.media_type != oci::kLayerGzipType;
      case codec::Compression::zstd:
        return layer.media_type != oci::kLayerZstdType;
      case codec::Compression::none:
        return layer.media_type != oci::kLayerType;
    }
    return false;
  }

  // ---- back in the calling thread ----

  void post(std::function<void()> message) {
    {
      const std::scoped_lock lock(messages_mutex_);
      messages_.push_back(std::move(message));
    }
    messages_changed_.notify_one();
  }

  void wait_for_message() {
    std::deque<std::function<void()>> batch;
    {
      std::unique_lock lock(messages_mutex_);
      messages_changed_.wait(lock, [this] { return !messages_.empty(); });
      batch.swap(messages_);
    }
    for (const auto& message : batch) {
      message();
    }
  }

  void drain() {
    while (running_ > 0) {
      wait_for_message();
    }
  }

  void complete(VertexId id, const Outcome& outcome) {
    --running_;
    auto& state = states_[id];
    state.value.chain = outcome.chain;
    state.ran = outcome.ran;
    state.status = VertexState::Status::done;
    run_order_.push_back(id);
    for (const auto user : state.users) {
      if (--states_[user].missing == 0 && states_[user].status == VertexState::Status::waiting) {
        start(user);
      }
    }
  }

  void fail_running(VertexId id, const Error& error) {
    --running_;
    fail(id, error, id);
  }

  void fail(VertexId id, const Error& error, VertexId origin) {
    auto& state = states_[id];
    if (state.status == VertexState::Status::failed) {
      return;
    }
    state.status = VertexState::Status::failed;
    state.error = error;
    if (origin == id && state.error->where().line == 0 && graph_.at(id).where.line != 0) {
      state.error->at(graph_.at(id).where).excerpt(graph_.at(id).excerpt);
    }
    const auto at = failed_at_.contains(origin) ? failed_at_.at(origin) : origin;
    failed_at_[id] = at;
    for (const auto user : state.users) {
      fail(user, *state.error, at);
    }
  }

  /// Says for each known step, once, that it is reused.
  void report_known() {
    for (VertexId id = 0; id < graph_.size(); ++id) {
      const auto& state = states_[id];
      if (state.reachable && state.status == VertexState::Status::known && is_step(graph_.at(id).op)) {
        Activity activity(bus_, ActivityKind::step, graph_.at(id).name, parent_of(id));
        activity.cache(state.definition.hex(), "nothing that it depends on changed");
        activity.finish(ActivityResult::cached);
      }
    }
  }

  /// Ends the targets that can be ended; returns how many.
  std::size_t finish_targets(const std::function<void(std::size_t, const TargetResult&)>& on_done) {
    std::size_t count = 0;
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      const auto& root = states_[targets_[t].root];
      if (finished_[t]) {
        continue;
      }
      const bool ended = root.status == VertexState::Status::known || root.status == VertexState::Status::done;
      const bool failed = root.status == VertexState::Status::failed;
      const bool stopped = !ended && !failed && stop_.stop_requested() && running_ == 0;
      if (!ended && !failed && !stopped) {
        continue;
      }
      finished_[t] = true;
      ++count;
      results_[t] = result_of(t, ended, failed);
      on_done(t, results_[t]);
    }
    return count;
  }

  TargetResult result_of(std::size_t t, bool ended, bool failed) {
    const auto& root = states_[targets_[t].root];
    TargetResult result;
    count_steps(t, result);
    if (failed) {
      result.error = root.error;
      result.failed_vertex = failed_at_.at(targets_[t].root);
      place_error(t, *result.failed_vertex, *result.error);
    } else if (!ended) {
      result.error.emplace(ErrorKind::cancelled, "interrupted");
    } else {
      try {
        result = assemble_target(t, std::move(result));
      } catch (const Error& error) {
        result.error = error;
      }
    }
    result.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    return result;
  }

  /// Images that share a step each say where their own Dockerfile has it.
  void place_error(std::size_t t, VertexId id, Error& error) const {
    const auto& first = graph_.at(id).where;
    const auto own = targets_[t].places.find(id);
    const bool of_step = error.where().file == first.file && error.where().line == first.line;
    if (own != targets_[t].places.end() && of_step) {
      error.at(own->second.where).excerpt(own->second.excerpt);
    }
  }

  /// The content key of a step, where the results of its inputs are known.
  [[nodiscard]] std::optional<Digest> content_of(VertexId id) const {
    std::vector<std::optional<Digest>> chains;
    for (const auto input : graph_.at(id).inputs) {
      chains.push_back(states_[input].value.chain);
      if (!chains.back() && !states_[input].value.tree) {
        return std::nullopt;
      }
    }
    return content_key(*states_[id].keys, chains);
  }

  void count_steps(std::size_t t, TargetResult& result) const {
    for (const auto id : closures_[t]) {
      if (!is_step(graph_.at(id).op)) {
        continue;
      }
      const auto& state = states_[id];
      if (state.value.chain && !state.offer) {
        result.identities.push_back({.vertex = id, .definition = state.definition, .content = content_of(id)});
      }
      if (state.ran) {
        ++result.steps.run;
        result.ran.push_back(id);
      } else if (state.status != VertexState::Status::waiting && state.status != VertexState::Status::failed) {
        ++result.steps.cached;
      }
    }
  }

  const Graph& graph_;
  std::span<const ImageTarget> targets_;
  store::Store& store_;
  EventBus& bus_;
  const SolveOptions& options_;
  std::stop_token stop_;
  std::span<const ActivityId> parents_;
  std::vector<State> states_;
  std::vector<TargetResult> results_;
  std::vector<std::vector<VertexId>> closures_;
  std::vector<bool> finished_;
  std::map<VertexId, VertexId> failed_at_;
  bool remote_ = true;  ///< sources on the network may be fetched
  std::vector<VertexId> run_order_;
  std::size_t running_ = 0;
  Pool* pool_ = nullptr;
  Clock::time_point begin_ = Clock::now();

  LayerSupply supply_;

  std::mutex messages_mutex_;
  std::condition_variable messages_changed_;
  std::deque<std::function<void()>> messages_;
};

}  // namespace

std::vector<TargetResult> solve(const Graph& graph, std::span<const ImageTarget> targets, store::Store& store,
                                EventBus& bus, const SolveOptions& options, std::stop_token stop,
                                std::span<const ActivityId> image_activities,
                                const std::function<void(std::size_t, const TargetResult&)>& on_done) {
  return Solve(graph, targets, store, bus, options, std::move(stop), image_activities).run(on_done);
}

std::vector<ProbedTarget> probe(const Graph& graph, std::span<const ImageTarget> targets, store::Store& store) {
  EventBus silent;
  const SolveOptions options;
  return Solve(graph, targets, store, silent, options, {}, {}).probe();
}

std::optional<store::StepRecord> recall_step(store::Records& records, const std::string& image,
                                             const std::string& step) {
  for (const auto& name : memory_names(image, step)) {
    if (auto record = records.last_step(name)) {
      return record;
    }
  }
  return std::nullopt;
}

}  // namespace dlc::build
