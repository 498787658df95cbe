#pragma once
// The command line of `dlc run`: the options of `docker run` that make sense for one container in the foreground.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/container.h"

namespace dlc::cli {

struct RunOptions {
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> env;  ///< "K=V", files first, in order; the last of a name counts
  std::vector<sandbox::ContainerMount> mounts;
  std::vector<std::string> directories;  ///< made where missing (-v /data without a source)
  std::optional<std::string> entrypoint;
  std::string user;
  std::string working_dir;
  std::string hostname;
  std::string platform;  ///< of an index; empty: this machine's
  std::string stop_signal;
  std::vector<std::pair<std::string, std::string>> hosts;
  std::vector<std::pair<std::string, std::pair<std::uint64_t, std::uint64_t>>> ulimits;
  std::uint64_t memory = 0;
  std::uint64_t shm_size = 64U << 20;
  double cpus = 0;
  std::optional<int> stop_timeout;  ///< seconds
  sandbox::Network network = sandbox::Network::host;
  sandbox::HostCerts host_certs = sandbox::HostCerts::off;
  bool interactive = false;
  bool terminal = false;
  bool read_only = false;
  std::vector<std::string> notes;  ///< to be said to the user
};

/// Nullopt: help was printed. Error(usage/unsupported/invalid) otherwise.
[[nodiscard]] std::optional<RunOptions> parse_run_options(std::span<const std::string> arguments);

/// "64m", "1.5g", "1073741824", also "64MiB", to bytes.
[[nodiscard]] std::uint64_t parse_bytes(std::string_view text, std::string_view option);

}  // namespace dlc::cli
