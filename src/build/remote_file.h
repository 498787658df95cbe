#pragma once
// Files that a buildspec downloads (`download_artifacts`): http, https, and s3 objects that anybody may read. A file is
// kept in the store and asked for by its ETag, so that an unchanged one is not sent again.
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/events.h"
#include "store/store.h"

namespace dlc::build {

/// The file's place in the store; its content is that of now. Where the server is away, the last copy with a warning.
/// Throws Error(unsupported) for another scheme, Error(denied), Error(not_found), Error(network) with the URI.
[[nodiscard]] std::filesystem::path fetch_remote_file(const std::string& uri, store::Store& store, EventBus& bus,
                                                      ActivityId parent, const std::stop_token& stop);

/// The last copy, asking nobody.
[[nodiscard]] std::optional<std::filesystem::path> known_remote_file(const std::string& uri, store::Store& store);

/// Where an object is found: "https://BUCKET.s3.amazonaws.com/KEY"; with an `endpoint` below that, by path.
/// Throws Error(invalid) for a URI without bucket or key.
[[nodiscard]] std::string s3_url(const std::string& uri, const std::string& endpoint, const std::string& region);

}  // namespace dlc::build
