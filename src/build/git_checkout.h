#pragma once
// Getting a git repository's files: for ADD, and for contexts.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "build/graph.h"
#include "build/solver.h"

namespace dlc::build {

/// What of the user's a fetch may use. None of it enters the checkout or a message.
struct GitAccess {
  std::string agent;   ///< socket of an SSH agent; empty: none
  std::string token;   ///< for HTTP(S): GIT_AUTH_TOKEN
  std::string header;  ///< the value of an Authorization header: GIT_AUTH_HEADER
};
/// The agent "default", and the secrets GIT_AUTH_TOKEN and GIT_AUTH_HEADER, with ".HOST" behind the name first.
[[nodiscard]] GitAccess git_access(const GitOp& op, const std::map<std::string, std::string>& secrets,
                                   const std::map<std::string, std::string>& agents);

struct Checkout {
  std::filesystem::path root;   ///< of the repository, below the directory given
  std::filesystem::path files;  ///< what was asked for: `root` or a directory in it
  std::string commit;
  std::int64_t time = 0;  ///< of the commit, seconds
};

/// Fetches the one commit that `op` names, where the server allows that, into the empty `directory`. Throws
/// Error(failed/network/not_found/corrupt) that names the repository.
[[nodiscard]] Checkout check_out(const GitOp& op, const std::filesystem::path& directory, const GitAccess& access,
                                 const std::function<void(std::string_view)>& on_output,
                                 const std::stop_token& stop = {});

}  // namespace dlc::build
