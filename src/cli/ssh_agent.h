#pragma once
// An SSH agent of this build's own, for `--ssh ID=KEY`: steps get the use of the keys, not the keys.
#include <sys/types.h>

#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/files.h"

namespace dlc::cli {

class SshAgent {
 public:
  /// Starts `ssh-agent`, for which `directory` is, with these private keys (files). `option` is how the user asked for
  /// it, for messages. Throws Error(not_found) where the program is missing, Error(invalid) where a key cannot be used,
  /// Error(cancelled).
  SshAgent(std::string option, const std::vector<std::string>& keys, TemporaryDirectory directory,
           std::stop_token stop);
  SshAgent(const SshAgent&) = delete;
  SshAgent& operator=(const SshAgent&) = delete;
  /// Ends it; it also ends with this process, however that ends.
  ~SshAgent();

  /// Good as long as this lives. A path that a socket has no room for (107 bytes) is given through a descriptor of this
  /// process.
  [[nodiscard]] std::string socket() const;

 private:
  void start();
  void wait_for_socket() const;
  void add(const std::string& key) const;
  void end() noexcept;

  std::string option_;
  TemporaryDirectory directory_;
  UniqueFd place_;  ///< that directory
  std::stop_token stop_;
  pid_t process_ = 0;
};

}  // namespace dlc::cli
