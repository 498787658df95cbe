#include "codec/digest.h"

#include <gtest/gtest.h>

#include <unordered_set>

#include "base/error.h"
#include "data.h"

namespace dlc::codec {
namespace {

constexpr std::string_view kAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";  // FIPS 180-2, B.1

TEST(DigestTest, KnownValues) {
  EXPECT_EQ(sha256("abc").hex(), kAbc);
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc").str(), "sha256:" + std::string(kAbc));
}

TEST(DigestTest, PiecesGiveTheSame) {
  Sha256 hash;
  hash.update("a");
  hash.update("");
  hash.update(bytes_of("bc"));
  Sha256 moved = std::move(hash);
  EXPECT_EQ(moved.finish(), sha256("abc"));
}

TEST(DigestTest, ParsesOnlyTheCanonicalForm) {
  const std::string text = "sha256:" + std::string(kAbc);
  EXPECT_EQ(Digest::parse(text), sha256("abc"));
  EXPECT_EQ(Digest::from_hex(kAbc), sha256("abc"));
  std::string upper = text;
  upper[7] = 'B';
  for (const std::string& wrong :
       {upper, text + "0", text.substr(0, text.size() - 1), std::string(kAbc), "sha512:" + text, std::string(),
        "sha256:../../../etc/passwd" + std::string(kAbc).substr(19), "SHA256:" + std::string(kAbc)}) {
    EXPECT_EQ(Digest::try_parse(wrong), std::nullopt) << wrong;
    EXPECT_EQ(test::error_kind([&] { (void)Digest::parse(wrong); }), ErrorKind::invalid);
  }
}

TEST(DigestTest, ErrorQuotesALongTextInPart) {
  try {
    (void)Digest::parse(std::string(100'000, 'x'));
    FAIL();
  } catch (const Error& error) {
    EXPECT_LT(error.message().size(), 300U);
    EXPECT_NE(error.message().find("xxx..."), std::string::npos);
  }
}

TEST(DigestTest, IsAValue) {
  EXPECT_TRUE(Digest().is_zero());
  EXPECT_FALSE(sha256("").is_zero());
  EXPECT_NE(sha256("a"), sha256("b"));
  const std::unordered_set<Digest> set = {sha256("a"), sha256("b"), sha256("a")};
  EXPECT_EQ(set.size(), 2U);
}

}  // namespace
}  // namespace dlc::codec
