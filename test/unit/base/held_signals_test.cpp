#include "base/held_signals.h"

#include <gtest/gtest.h>

namespace dlc {
namespace {

volatile std::sig_atomic_t caught = 0;
void count(int /*number*/) {
  caught = caught + 1;
}

TEST(HeldSignals, TheyWaitAndThenAct) {
  const auto former = std::signal(SIGTERM, count);
  {
    const HeldSignals held;
    EXPECT_FALSE(held.pending());
    std::raise(SIGTERM);
    EXPECT_TRUE(held.pending());
    EXPECT_EQ(caught, 0);
  }
  EXPECT_EQ(caught, 1);
  std::signal(SIGTERM, former);
}

}  // namespace
}  // namespace dlc
