#pragma once
// From a parsed Dockerfile to vertices of a build graph: stages, ARG and ENV scopes, ONBUILD triggers, and the image
// configuration as it grows. Semantics: Dockerfile reference (syntax 1.26) as BuildKit's frontend behaves; where
// BuildKit is known to be wrong, docs/engine.md says what we do.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "build/graph.h"
#include "dockerfile/dockerfile.h"

namespace dlc::build {

/// Finds a base image by the name in FROM, COPY --from or a mount's from. Throws Error(not_found/network/...).
using ImageResolver =
    std::function<std::shared_ptr<const ResolvedImage>(const std::string& name, const oci::Platform&)>;

/// A named context (--build-context NAME=...), or the main one.
struct NamedContext {
  enum class Type { local, image, git, http };
  Type type = Type::local;
  LocalOp local;      ///< local
  std::string value;  ///< image reference (also oci-layout://...), git or http URL
};

struct LowerOptions {
  std::string dockerfile_name;  ///< for messages
  std::map<std::string, std::string> build_args;
  std::string target;      ///< stage name; empty: the last stage
  oci::Platform platform;  ///< target platform
  oci::Platform build_platform;
  bool several_platforms = false;  ///< the names of steps say which one
  NamedContext context;            ///< the main context
  std::map<std::string, NamedContext> contexts;
  std::map<std::string, std::string> labels;  ///< --label: added to the final config
  std::vector<HostEntry> extra_hosts;
  RunOp::Network network = RunOp::Network::default_;
  bool allow_network_host = false;
  bool allow_insecure = false;
  std::uint64_t shm_size = 0;
  std::vector<Ulimit> ulimits;
  bool no_cache = false;
  std::vector<std::string> no_cache_stages;
  std::optional<std::int64_t> epoch;                          ///< SOURCE_DATE_EPOCH
  std::function<std::optional<std::int64_t>()> context_time;  ///< what SOURCE_DATE_EPOCH=context means; may be empty
  bool epoch_in_run = false;                                  ///< RUN steps see SOURCE_DATE_EPOCH too
  bool all_stages = false;  ///< without a target, lower the stages that nothing needs too: to lint them
};

/// Adds the target's vertices to `graph`. Stages that the target does not need are not added (but are checked).
/// Throws Error(invalid) with file:line and excerpt. Lint findings go to `diagnostics`.
[[nodiscard]] ImageTarget lower(const dockerfile::Dockerfile& file, const LowerOptions& options,
                                const ImageResolver& resolver, Graph& graph, Diagnostics& diagnostics);

}  // namespace dlc::build
