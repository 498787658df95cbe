#pragma once
// Opening the database: restores it from the files where it was lost, and after a reboot settles what was not yet
// durable. docs/formats/store.md, "Durability".
#include <filesystem>
#include <memory>

#include "store/blobs.h"
#include "store/database.h"

namespace dlc::store {

[[nodiscard]] std::unique_ptr<Database> open_database(const std::filesystem::path& store, BlobStore& blobs);

/// Re-hashes a blob.
[[nodiscard]] bool blob_is_whole(const BlobStore& blobs, const Digest& digest);

}  // namespace dlc::store
