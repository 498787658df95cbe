#pragma once
// Devices by the Container Device Interface (CDI spec 0.8): what the files below /etc/cdi, /var/run/cdi and
// /etc/buildkit/cdi say a container needs to use a device. For RUN --device.
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/device_edits.h"

namespace dlc::build {

/// A bind mount of a host's path, or a tmpfs.
struct CdiMount {
  std::string host_path, container_path, type;
  std::vector<std::string> options;
};

struct CdiEdits {
  sandbox::DeviceEdits device;
  std::vector<CdiMount> mounts;
};

struct CdiDevice {
  std::string kind;  ///< "vendor.com/class"
  std::string name;
  std::map<std::string, std::string> annotations;
  CdiEdits edits;       ///< the device's own
  CdiEdits spec_edits;  ///< of its file, once for all devices of it
  std::string file;

  [[nodiscard]] std::string full_name() const { return kind + "=" + name; }
};

/// The devices of all files (*.json, *.yaml, *.yml), sorted by full name; where two files have one name, the later
/// directory's counts. A file that is wrong is left out and named in `problems`.
[[nodiscard]] std::vector<CdiDevice> read_cdi(const std::vector<std::filesystem::path>& directories,
                                              std::vector<std::string>& problems);
[[nodiscard]] std::vector<std::filesystem::path> cdi_directories();

/// The devices that a name stands for: "vendor.com/class=name", "vendor.com/class" (the first), "vendor.com/class=*"
/// (all), or "vendor.com/class=C" for those whose annotation org.mobyproject.buildkit.device.class is C. Throws
/// Error(invalid) for a name that can be none's.
[[nodiscard]] std::vector<const CdiDevice*> match_cdi(const std::vector<CdiDevice>& devices, std::string_view name);

/// Whether the device may be used without --allow device.
[[nodiscard]] bool is_allowed_by_itself(const CdiDevice& device);

}  // namespace dlc::build
