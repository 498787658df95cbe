#pragma once
// The documented JSON of commands, as they all print it.
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace dlc::cli {

/// Indented by two, ends in a newline. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& json);

}  // namespace dlc::cli
