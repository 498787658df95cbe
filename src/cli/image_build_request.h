#pragma once
// What an `dlc image build` command line asks for, checked and with its files found.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/files.h"
#include "build/cache_spec.h"
#include "build/image_resolver.h"
#include "build/lower.h"
#include "build/outputs.h"
#include "build/solver.h"
#include "cli/failure_shell.h"
#include "cli/image_build_options.h"
#include "cli/progress.h"
#include "cli/ssh_agent.h"

namespace dlc::cli {

struct ImageBuildRequest {
  std::string dockerfile_name;  ///< for messages
  std::string dockerfile;       ///< its text
  build::LowerOptions lower;
  build::SolveOptions solve;
  std::vector<build::OutputSpec> outputs;  ///< at least one
  std::vector<std::string> tags;           ///< full references
  std::vector<oci::Platform> platforms;    ///< at least one, each once
  std::vector<build::Annotation> annotations;
  std::vector<build::CacheSpec> cache_from;
  std::vector<build::CacheSpec> cache_to;
  std::optional<FailureShellOptions> failure_shell;
  build::PullPolicy pull = build::PullPolicy::newer;
  bool refresh_bases = false;
  std::string iidfile;
  std::string metadata_file;
  std::vector<std::string> warnings;  ///< about options that have no effect
  std::string call = "build";         ///< build, check, outline, targets
  bool call_json = false;
  ProgressMode progress = ProgressMode::automatic;
  bool quiet = false;
  std::vector<std::string> secret_values;             ///< to be masked in all output
  std::vector<std::unique_ptr<SshAgent>> agents;      ///< that hold the keys of --ssh
  std::optional<TemporaryDirectory> fetched_context;  ///< of a context that came as a stream or from git
};

/// All that the options say by themselves. Throws Error(usage/invalid/not_found).
[[nodiscard]] ImageBuildRequest read_request(const GivenArguments& given);

/// What a request may use to become complete. Its directories must outlive it.
struct RequestMeans {
  std::function<TemporaryDirectory()> make_directory;  ///< for what is fetched
  std::stop_token stop;
};

/// Adds the agents of --ssh, the Dockerfile and the ignore file; of the context only what is not on this machine is
/// read. Throws Error(usage/invalid/not_found/network/cancelled).
[[nodiscard]] ImageBuildRequest complete_request(ImageBuildRequest request, const GivenArguments& given,
                                                 const RequestMeans& means);

}  // namespace dlc::cli
