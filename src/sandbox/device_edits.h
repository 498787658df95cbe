#pragma once
// What a device needs in a container beside mounts, as CDI's containerEdits say it.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dlc::sandbox {

struct DeviceNode {
  std::string path;       ///< in the container
  std::string host_path;  ///< empty: the same
  std::optional<std::uint32_t> mode, uid, gid;
};

struct DeviceHook {
  std::string name;  ///< "createContainer", ... of the runtime-spec
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int> timeout;
};

struct DeviceEdits {
  std::vector<std::string> env;  ///< "K=V"
  std::vector<DeviceNode> nodes;
  std::vector<DeviceHook> hooks;
  std::vector<std::uint32_t> groups;
};

}  // namespace dlc::sandbox
