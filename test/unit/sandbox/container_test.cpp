#include "sandbox/container.h"

#include <gmock/gmock.h>

#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using ContainerTest = SandboxTest;

TEST_F(ContainerTest, OutputAndStatusComeBack) {
  const auto outcome = shell("echo hello; echo oops >&2; exit 42");
  EXPECT_EQ(outcome.status, 42);
  EXPECT_EQ(outcome.out, "hello\n");
  EXPECT_EQ(outcome.err, "oops\n");
}

TEST_F(ContainerTest, NothingOfOursStaysInTheUpper) {
  EXPECT_EQ(shell("true").status, 0);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(ContainerTest, ChangesAreInTheUpper) {
  EXPECT_EQ(shell("echo x > /x; rm /etc/group").status, 0);
  EXPECT_THAT(changes(), ElementsAre("etc", "etc/group", "x"));
}

}  // namespace
}  // namespace dlc::sandbox
