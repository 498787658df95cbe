#include "store/file_clock.h"

#include <ctime>

namespace dlc::store {

std::int64_t file_clock() {
  timespec clock{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &clock);
  return clock.tv_sec * 1'000'000'000 + clock.tv_nsec;
}

void wait_past(std::int64_t time) {
  while (file_clock() <= time) {
    constexpr timespec kPause{0, 1'000'000};
    ::nanosleep(&kPause, nullptr);
  }
}

}  // namespace dlc::store
