#include "codec/base64.h"

#include <gtest/gtest.h>

namespace dlc::codec::test {
namespace {

TEST(Base64, ThereAndBack) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\xfe\x01"}) {
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  EXPECT_EQ(base64_encode("user:pw"), "dXNlcjpwdw==");
  EXPECT_EQ(base64_decode("YQ"), "a");
  for (const auto* text : {"a", "a b=", "====", "YQ==="}) {
    EXPECT_FALSE(base64_decode(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace dlc::codec::test
