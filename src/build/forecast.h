#pragma once
// What a build would do and why, from the store's records alone: for `dlc plan`.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "build/explanation.h"
#include "build/graph.h"
#include "build/solver.h"
#include "store/store.h"

namespace dlc::build {

/// A change with the lines that differ, where the old text is still in the store.
struct ForecastChange {
  Change change;
  std::string text;                ///< describe(change)
  std::vector<std::string> lines;  ///< "-old", "+new"
};

struct StepForecast {
  enum class State {
    cached,    ///< its result is in the store
    will_run,  ///< unless steps before it give what they gave in some earlier run
    open,      ///< not known before it is built: `note` says why
  };
  VertexId vertex = 0;
  State state = State::cached;
  std::optional<std::uint64_t> cost_ms;  ///< what it took the last time
  std::vector<ForecastChange> changes;
  std::optional<VertexId> cause;  ///< nothing of its own changed: the first step below that has to run
  std::string note;               ///< what to say where there is no change to name
};

/// One entry for each step of `target`, inputs before their users. `absent`: names of base images that stand in the
/// graph without being known, with what to say about each.
[[nodiscard]] std::vector<StepForecast> forecast(const Graph& graph, const ImageTarget& target,
                                                 const ProbedTarget& probed,
                                                 const std::map<std::string, std::string>& absent, store::Store& store);

}  // namespace dlc::build
