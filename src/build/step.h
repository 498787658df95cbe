#pragma once
// Executing one vertex: RUN, COPY/ADD and WORKDIR each make a layer over their parent file system.
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "build/graph.h"
#include "build/mounted_chain.h"
#include "build/solver.h"
#include "build/tree.h"
#include "store/store.h"

namespace dlc::build {

/// What a vertex yields: a file system (by chain id; zero is the empty one) or a tree of files on the host.
struct Value {
  std::optional<Digest> chain;
  std::shared_ptr<const Tree> tree;
};

/// Everything that a step needs; lives as long as the step.
struct StepContext {
  store::Store& store;
  const SolveOptions& options;
  const Vertex& vertex;
  std::vector<Value> inputs;  ///< unpacked and ready
  bool pack;                  ///< an image will carry its layer
  Activity& activity;
  std::stop_token stop;
};

/// Each returns the new layer; a failure leaves nothing behind. Throws Error with the instruction's place.
[[nodiscard]] store::Layer run_step(const StepContext& context, const RunOp& op);
[[nodiscard]] store::Layer copy_step(const StepContext& context, const CopyOp& op);
[[nodiscard]] store::Layer make_directory_step(const StepContext& context, const MakeDirectoryOp& op);

/// What can be said before a step runs: Error(unsupported) where programs of its platform do not run on this machine,
/// Error(not_found) where a device that it requires is not registered, Error(denied) where one is not allowed.
void check_runnable(const RunOp& op, const SolveOptions& options);

/// The options with which every step's layer is committed.
[[nodiscard]] store::CommitOptions commit_options(const StepContext& context);

}  // namespace dlc::build
