#pragma once
// Trees that come from elsewhere: a file that ADD fetches over HTTP, a git checkout.
#include <memory>
#include <stop_token>

#include "base/events.h"
#include "build/graph.h"
#include "build/tree.h"
#include "store/store.h"

namespace dlc::build {

/// The files are below the store's tmp/ while the tree lives. Throws Error(network/not_found/corrupt) that names the
/// URL.
[[nodiscard]] std::shared_ptr<const Tree> fetch_http(const HttpOp& op, store::Store& store, EventBus& bus,
                                                     ActivityId parent);
[[nodiscard]] std::shared_ptr<const Tree> fetch_git(const GitOp& op, store::Store& store, EventBus& bus,
                                                    ActivityId parent, std::optional<std::int64_t> epoch);

}  // namespace dlc::build
