#pragma once
// Cache keys of vertices (docs/engine.md, "Keys"). Each step has two: the definition key (operation + definition keys
// of its inputs) is known before anything runs; the content key (operation + chain ids of its inputs) once the inputs
// are. Leaves are content digests in both.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "build/explanation.h"
#include "build/graph.h"
#include "build/tree.h"
#include "store/records.h"

namespace dlc::build {

struct StepKeys {
  Digest operation;  ///< of the operation and what its instruction is given by the builder (epoch)
  Digest definition;
  std::vector<std::optional<Digest>> sources;  ///< per input: content of what is taken of a host tree
  KeyParts parts;                              ///< for "what changed"
};

/// What the key maker knows of an input.
struct InputKey {
  std::optional<Digest> definition;  ///< of a file system
  std::shared_ptr<const Tree> tree;  ///< of a host tree
  std::string label;                 ///< of a file system, for explanations: "base debian", "the step before", ...
};

/// The schema that keys are made by; keys of another one mean something else.
[[nodiscard]] std::string_view key_schema() noexcept;

/// Throws Error where a source that the step names is missing.
[[nodiscard]] StepKeys make_keys(const Vertex& vertex, const std::vector<InputKey>& inputs, store::Records& records,
                                 unsigned threads);
/// `chains[i]` is the chain id of input i where it is a file system.
[[nodiscard]] Digest content_key(const StepKeys& keys, const std::vector<std::optional<Digest>>& chains);
/// The key of an image's file system: its chain id.
[[nodiscard]] Digest chain_of(const oci::ImageConfig& config);

}  // namespace dlc::build
