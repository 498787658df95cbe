#pragma once
// An SSH agent of this build's own, for `--ssh ID=KEY`: steps get the use of the keys, not the keys.
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/files.h"

namespace dlc::cli {

class SshAgent {
 public:
  /// Starts `ssh-agent` with these private keys (files). Throws Error(not_found) where a file or the program is
  /// missing, Error(invalid) where a key cannot be used without its passphrase.
  explicit SshAgent(const std::vector<std::string>& keys);
  SshAgent(const SshAgent&) = delete;
  SshAgent& operator=(const SshAgent&) = delete;
  /// Ends it; it also ends with this process, however that ends.
  ~SshAgent();

  [[nodiscard]] std::string socket() const { return (directory_.path() / "agent").string(); }

 private:
  void start();
  void wait_for_socket() const;
  void add(const std::string& key) const;
  void end() noexcept;

  TemporaryDirectory directory_;
  pid_t process_ = 0;
};

}  // namespace dlc::cli
