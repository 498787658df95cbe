#pragma once
// The clock that file systems stamp with; it moves in steps of some milliseconds.
#include <cstdint>

namespace dlc::store {

/// Nanoseconds since 1970.
[[nodiscard]] std::int64_t file_clock();
/// Returns when it says more than `time`, so that what changes from then on has a later ctime.
void wait_past(std::int64_t time);

}  // namespace dlc::store
