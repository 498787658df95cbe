#pragma once
// Trees that come from elsewhere: a file that ADD fetches over HTTP, a git checkout.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/events.h"
#include "build/git_checkout.h"
#include "build/graph.h"
#include "build/tree.h"
#include "store/store.h"

namespace dlc::build {

/// The files are below the store's tmp/ while the tree lives. Throws Error(network/not_found/corrupt) that names the
/// URL.
[[nodiscard]] std::shared_ptr<const Tree> fetch_http(const HttpOp& op, store::Store& store, EventBus& bus,
                                                     ActivityId parent, const std::stop_token& stop);
[[nodiscard]] std::shared_ptr<const Tree> fetch_git(const GitOp& op, store::Store& store, EventBus& bus,
                                                    ActivityId parent, const GitAccess& access,
                                                    const std::stop_token& stop);

struct Fetched {
  std::filesystem::path file;
  Digest digest;
  std::int64_t modified = 0;  ///< Last-Modified, or 0
};
/// Into a file `directory`/`name`.
[[nodiscard]] Fetched fetch_file(const std::string& url, const std::filesystem::path& directory,
                                 const std::string& name, const std::optional<Digest>& checksum, Activity& activity,
                                 const std::stop_token& stop = {});

/// The newest time of a file of the tree, seconds; 0 for an empty one.
[[nodiscard]] std::int64_t newest_time(const Tree& tree, const std::string& directory = "");

}  // namespace dlc::build
