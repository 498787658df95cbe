#pragma once
// Runs a build graph: finds what is known by key, runs the rest in parallel, and assembles the images. One solver run
// serves all targets of a plan; equal vertices run once; a failed vertex fails only the targets that need it.
// docs/engine.md, "Keys", "Running a step".
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/events.h"
#include "build/graph.h"
#include "build/keys.h"
#include "codec/compression.h"
#include "sandbox/container.h"
#include "store/store.h"

namespace dlc::build {

/// A secret offered by the user. Its value enters no key, layer, log or other process's environment.
class CacheImports;

struct SolveOptions {
  unsigned jobs = 0;  ///< steps at once; 0: as many as there are cores
  sandbox::Runtime runtime;
  sandbox::HostCerts host_certs = sandbox::HostCerts::env;
  codec::CompressionOptions compression;
  std::map<std::string, std::string> secrets;  ///< by id: what a step sees
  std::map<std::string, std::string> ssh;      ///< id -> agent socket
  bool network_none = false;                   ///< the default network of RUN is none
  std::vector<std::string> devices;            ///< --allow device: names, kinds, or "*" for all
  /// Called with a failed step's name and all that it ran with, while that still exists (`--on-failure shell`); in the
  /// step's thread.
  std::function<void(const std::string&, const sandbox::ContainerSpec&)> on_failure;
  CacheImports* imports = nullptr;  ///< results that others offer; may be null
  bool fetch_imports = false;       ///< bring all offered results of needed steps here, not only those that are used
};

struct StepCount {
  unsigned run = 0;  ///< to a good end; a failed or interrupted step keeps nothing and is not counted
  unsigned cached = 0;
};

/// The keys of a step whose result is known.
struct StepIdentity {
  VertexId vertex = 0;
  Digest definition;
  std::optional<Digest> content;  ///< where its inputs' results were at hand
};

/// What became of one target.
struct TargetResult {
  std::optional<Error> error;  ///< set: the target failed, at `failed_vertex`
  std::optional<VertexId> failed_vertex;
  oci::Descriptor manifest;  ///< with size and media type; its blob and all it names are in the store
  Digest config;
  std::vector<store::Layer> layers;      ///< lowest first
  std::size_t base_layers = 0;           ///< of the lowest ones, how many came with the base
  StepCount steps;                       ///< of this target's vertices (RUN, COPY, ADD, WORKDIR)
  std::vector<VertexId> ran;             ///< vertices that ran, in order
  std::vector<StepIdentity> identities;  ///< of all its steps with a known result, inputs first
  double seconds = 0;                    ///< from the start of the solve to this target's end
};

/// Must be called in a process that entered the private mount namespace (sandbox/overlay.h). `on_done` is called from
/// the calling thread as each target ends. `image_activities` gives the event parent of each target's own steps. On a
/// stop request running steps are killed, finished ones stay known, and the targets not done carry Error(cancelled).
[[nodiscard]] std::vector<TargetResult> solve(const Graph& graph, std::span<const ImageTarget> targets,
                                              store::Store& store, EventBus& bus, const SolveOptions& options,
                                              std::stop_token stop, std::span<const ActivityId> image_activities,
                                              const std::function<void(std::size_t, const TargetResult&)>& on_done);

/// What is known of one step without running anything.
struct ProbedStep {
  VertexId vertex = 0;
  bool known = false;            ///< its result is in the store
  std::optional<StepKeys> keys;  ///< absent where something below is not known
  std::optional<Error> error;    ///< it cannot run: a source is missing; or nobody knows before: a remote source
};

struct ProbedTarget {
  std::optional<Digest> chain;    ///< of the file system, where it is known
  std::vector<ProbedStep> steps;  ///< inputs before their users
};

/// Looks everything up and runs nothing; asks nobody on the network.
[[nodiscard]] std::vector<ProbedTarget> probe(const Graph& graph, std::span<const ImageTarget> targets,
                                              store::Store& store);

/// The last known run of a step of an image, by its text, else by its place in the Dockerfile.
[[nodiscard]] std::optional<store::StepRecord> recall_step(store::Records& records, const std::string& image,
                                                           const std::string& step);

}  // namespace dlc::build
