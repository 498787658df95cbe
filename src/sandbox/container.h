#pragma once
// One process (tree) in a root file system, under an OCI runtime (crun, else runc) from a runtime-spec config of ours.
// Confinement equals Docker's defaults: seccomp profile, capabilities, masked paths. docs/engine.md, "Running a step".
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/events.h"
#include "sandbox/device_edits.h"
#include "store/snapshot_mode.h"

namespace dlc::sandbox {

struct ContainerMount {
  enum class Type { bind, tmpfs };
  Type type = Type::bind;
  std::string source;  ///< host path (bind)
  std::string target;  ///< absolute in the container; resolved inside the root, never through a link to outside
  bool read_only = true;
  std::uint64_t size = 0;      ///< tmpfs: bytes; 0: no limit
  std::uint32_t mode = 01777;  ///< tmpfs
  std::uint32_t uid = 0;       ///< tmpfs
  std::uint32_t gid = 0;       ///< tmpfs
  bool no_exec = false;        ///< programs on it cannot be run
};

enum class Network { host, none };
enum class HostCerts { off, file, env };

struct ContainerSpec {
  std::vector<std::filesystem::path> lowers;  ///< topmost first
  std::filesystem::path upper;                ///< gets the changes
  std::filesystem::path work;
  store::SnapshotMode snapshots = store::SnapshotMode::trusted;
  std::vector<std::string> argv;
  std::vector<std::string> env;  ///< "K=V"
  std::string cwd = "/";         ///< made (0755) where missing, as runtimes do
  std::string user;              ///< resolve_user's syntax
  std::string hostname;
  std::vector<ContainerMount> mounts;  ///< mount points that had to be made are removed after the step
  Network network = Network::host;
  bool insecure = false;                                   ///< all capabilities, no seccomp
  std::vector<std::pair<std::string, std::string>> hosts;  ///< extra /etc/hosts lines: name, address
  std::uint64_t shm_size = 64U << 20;
  std::vector<std::pair<std::string, std::pair<std::uint64_t, std::uint64_t>>> ulimits;  ///< clamped to the host's
  HostCerts host_certs = HostCerts::off;
  std::uint64_t memory_limit = 0;  ///< bytes; 0: none; where the host allows
  double cpu_limit = 0;            ///< cores; 0: none
  bool terminal = false;           ///< `dlc run -t`: connect our terminal
  bool interactive = false;        ///< pass our standard input; otherwise /dev/null
  bool inherit_output = false;     ///< write to our standard output/error instead of `on_output`
  bool forward_signals = false;    ///< INT, HUP, QUIT, USR1, USR2, WINCH reach the process, TERM as stop_signal
  std::string stop_signal;         ///< "SIGTERM", "TERM" or "15"; empty: SIGTERM
  /// With forward_signals, from the stop signal to SIGKILL. Absent: never after a forwarded SIGTERM, 10 s after a stop
  /// request.
  std::optional<std::chrono::seconds> stop_timeout;
  bool read_only = false;  ///< the root is mounted read-only
  std::vector<DeviceEdits> devices;
};

struct ContainerResult {
  int status = 0;  ///< exit status; 128 + N for signal N
  bool out_of_memory = false;
  std::uint64_t peak_memory = 0;  ///< bytes; 0: unknown (it is counted where there is a memory limit)
  bool limited = true;            ///< false: this host did not let us set the limits asked for
};

/// Which runtime and where; made once.
struct Runtime {
  std::string name;  ///< "crun" or "runc"
  std::string path;
};
/// `wanted`: "", "crun", "runc" (or a path). Error(not_found) with the package to install.
[[nodiscard]] Runtime find_runtime(std::string_view wanted);

/// Runs to the end. On a stop request the container is killed (SIGTERM, then SIGKILL after 10 s for `dlc run`, at once
/// for steps) and Error(cancelled) thrown. After it, `upper` holds exactly the step's changes: mount points made,
/// /etc/{hosts,resolv.conf,hostname} stubs, and host certificates are gone. No process of the step survives. The whole
/// tree dies with this process, even on SIGKILL. Thread-safe.
[[nodiscard]] ContainerResult run_container(const Runtime& runtime, const ContainerSpec& spec,
                                            const std::function<void(LogStream, std::string_view)>& on_output,
                                            std::stop_token stop);

}  // namespace dlc::sandbox
