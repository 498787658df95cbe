#pragma once
// A stop request (a std::stop_token) as an error, for work that can be left at any point.
#include <stop_token>

#include "base/error.h"

namespace dlc {

/// Throws Error(cancelled) where a stop was asked for.
inline void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "interrupted");
  }
}

}  // namespace dlc
