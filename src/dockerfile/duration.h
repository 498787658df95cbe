#pragma once
// Durations as Go's time package writes and reads them: "1m30s", "500ms".
#include <cstdint>
#include <string>
#include <string_view>

namespace dlc::dockerfile {

/// Nanoseconds. Throws Error(invalid): "time: invalid duration \"x\"", "time: missing unit in duration ...".
[[nodiscard]] std::int64_t parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(std::int64_t nanoseconds);

}  // namespace dlc::dockerfile
