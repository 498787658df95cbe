#include "store/format.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/user_namespace.h"

namespace dlc::store {

namespace {

constexpr int kFormat = 1;

Error damaged(const std::filesystem::path& path) {
  return Error(ErrorKind::corrupt, path.string() + " is damaged").hint("choose another --store");
}

/// Files of a store are owned by the ids that the maker's namespace maps to: another map would read other owners.
void check_ids(const std::filesystem::path& store, const std::string& made_with) {
  const std::string ours = id_map_text();
  if (made_with == ours) {
    return;
  }
  const bool root_made = made_with.empty();
  Error error(ErrorKind::denied,
              "the store " + store.string() +
                  (root_made ? " was made by root" : " was made by a user, with the ids " + made_with) +
                  (ours.empty() ? "" : "; here they are " + ours));
  throw error.hint(root_made ? "run dlc as root, or give another --store"
                             : "run dlc as that user (with the same lines in /etc/subuid and /etc/subgid), or give "
                               "another --store");
}

}  // namespace

SnapshotMode native_snapshot_mode(const std::filesystem::path& /*directory*/) {
  return in_user_namespace() || ::geteuid() != 0 ? SnapshotMode::user : SnapshotMode::trusted;
}

SnapshotMode open_format(const std::filesystem::path& store, const ModeChooser& choose) {
  const auto path = store / "format";
  if (::access(path.c_str(), F_OK) != 0) {
    const auto mode = choose(store);
    const nlohmann::json json{
        {"format", kFormat}, {"overlay", to_string(mode)}, {"ids", id_map_text()}, {"creator", "dlc"}};
    write_file_atomically(path, json.dump() + "\n", Durability::durable, 0600);
    return mode;
  }
  const auto json = nlohmann::json::parse(read_file(path, 1 << 16), nullptr, false);
  const auto format = json.is_object() ? json.find("format") : json.end();
  if (!json.is_object() || format == json.end() || !format->is_number_integer()) {
    throw damaged(path);
  }
  if (format->get<int>() > kFormat) {
    throw Error(ErrorKind::unsupported, store.string() + " has store format " + std::to_string(format->get<int>()) +
                                            "; this dlc knows up to " + std::to_string(kFormat))
        .hint("use the newer dlc that made this store, or another --store");
  }
  const auto overlay = json.find("overlay");
  const auto ids = json.find("ids");
  const auto mode = overlay != json.end() && overlay->is_string()
                        ? parse_snapshot_mode(overlay->get_ref<const std::string&>())
                        : std::nullopt;
  if (!mode || (ids != json.end() && !ids->is_string())) {
    throw damaged(path);
  }
  if (ids != json.end()) {  // older stores do not say; they are root's
    check_ids(store, ids->get<std::string>());
  }
  return *mode;
}

}  // namespace dlc::store
