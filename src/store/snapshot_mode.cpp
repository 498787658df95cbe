#include "store/snapshot_mode.h"

#include <array>
#include <utility>

namespace dlc::store {

namespace {

constexpr std::array<std::pair<SnapshotMode, std::string_view>, 3> kNames{
    {{SnapshotMode::trusted, "trusted"}, {SnapshotMode::user, "user"}, {SnapshotMode::copy, "copy"}}};

}  // namespace

std::string_view to_string(SnapshotMode mode) {
  for (const auto& [known, name] : kNames) {
    if (known == mode) {
      return name;
    }
  }
  return "";
}

std::optional<SnapshotMode> parse_snapshot_mode(std::string_view text) {
  for (const auto& [mode, name] : kNames) {
    if (name == text) {
      return mode;
    }
  }
  return std::nullopt;
}

}  // namespace dlc::store
