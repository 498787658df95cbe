#pragma once
// images/<sha256 of the name>: a copy of each tag outside the database, from which tags are restored should the
// database be lost. docs/formats/store.md.
#include <filesystem>
#include <string_view>
#include <vector>

#include "store/records.h"

namespace dlc::store {

/// Writes (or replaces) the copy; not yet durable.
void write_tag_file(const std::filesystem::path& store, const ImageRecord& image);
void remove_tag_file(const std::filesystem::path& store, std::string_view name);
/// All copies that can be read.
[[nodiscard]] std::vector<ImageRecord> read_tag_files(const std::filesystem::path& store);

}  // namespace dlc::store
