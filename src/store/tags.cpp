#include "store/tags.h"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace dlc::store {

namespace {

std::filesystem::path path_of(const std::filesystem::path& store, std::string_view name) {
  return store / "images" / codec::sha256(name).hex();
}

}  // namespace

void write_tag_file(const std::filesystem::path& store, const ImageRecord& image) {
  const nlohmann::json json{{"name", image.name}, {"manifest", image.manifest.str()}, {"updated", image.updated}};
  write_file_atomically(path_of(store, image.name), json.dump() + "\n", Durability::volatile_, 0600);
}

void remove_tag_file(const std::filesystem::path& store, std::string_view name) {
  const auto path = path_of(store, name);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw system_error("remove " + path.string());
  }
}

std::vector<ImageRecord> read_tag_files(const std::filesystem::path& store) {
  std::vector<ImageRecord> all;
  for (const auto& entry : std::filesystem::directory_iterator(store / "images")) {
    const auto json = nlohmann::json::parse(read_file(entry.path(), 1 << 16), nullptr, false);
    if (!json.is_object() || !json.value("name", nlohmann::json()).is_string() ||
        !json.value("manifest", nlohmann::json()).is_string()) {
      continue;  // a torn file: its tag was never acknowledged
    }
    const auto manifest = Digest::try_parse(json["manifest"].get<std::string>());
    if (manifest) {
      const auto& updated = json.value("updated", nlohmann::json(0));
      all.push_back({json["name"], *manifest, updated.is_number_integer() ? updated.get<std::int64_t>() : 0});
    }
  }
  return all;
}

}  // namespace dlc::store
