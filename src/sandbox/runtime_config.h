#pragma once
// config.json of the OCI runtime-spec 1.0 for one container.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/container.h"
#include "sandbox/rooted.h"

namespace dlc::sandbox {

struct ConfigMount {
  std::string type;  ///< "bind", "tmpfs", ...
  std::string source;
  std::string target;  ///< absolute in the container, without links
  std::vector<std::string> options;
};

/// What was decided about a container beside its spec.
struct ConfigInput {
  UserIds user;
  std::vector<std::string> env;
  std::string root;                 ///< directory of the merged root
  std::vector<ConfigMount> mounts;  ///< after the standard ones
  std::string cgroup;               ///< path below the hierarchies' roots; empty: none
};

/// One of the names of --ulimit, such as "nofile".
[[nodiscard]] bool is_limit(std::string_view name);

[[nodiscard]] std::string runtime_config(const ContainerSpec& spec, const ConfigInput& input);

}  // namespace dlc::sandbox
