#pragma once
// A socket of a step's own in front of an SSH agent: with the owner and mode that `--mount=type=ssh` asks for, and for
// any user of the step, as agents answer only the user whose they are.
#include <sys/types.h>

#include <string>
#include <thread>

#include "base/fd.h"

namespace dlc::build {

class AgentSocket {
 public:
  /// Listens at `path` (at most 107 bytes, not there yet) and passes each connection on to the socket `agent`.
  AgentSocket(const std::string& path, std::string agent, mode_t mode, uid_t uid, gid_t gid);
  AgentSocket(const AgentSocket&) = delete;
  AgentSocket& operator=(const AgentSocket&) = delete;
  /// Breaks off what is still connected. The file stays.
  ~AgentSocket();

 private:
  UniqueFd listener_;
  UniqueFd wake_;
  std::jthread relay_;
};

}  // namespace dlc::build
