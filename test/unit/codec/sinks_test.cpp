#include "codec/sinks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/files.h"
#include "data.h"

namespace dlc::codec {
namespace {

TEST(SinksTest, HashSinkSeesWhatPasses) {
  StringSink out;
  HashSink hash(&out);
  hash.write(bytes_of("ab"));
  hash.write(bytes_of("c"));
  EXPECT_TRUE(hash.digest().is_zero());
  hash.finish();
  EXPECT_EQ(hash.digest(), sha256("abc"));
  EXPECT_EQ(hash.size(), 3U);
  EXPECT_EQ(out.text(), "abc");
}

TEST(SinksTest, HashSinkWorksAlone) {
  HashSink hash;
  hash.write(bytes_of("abc"));
  hash.finish();
  EXPECT_EQ(hash.digest(), sha256("abc"));
}

TEST(SinksTest, TeeGivesBothTheSameAndFinishesBoth) {
  HashSink first;
  HashSink second;
  TeeSink tee(first, second);
  tee.write(bytes_of("abc"));
  tee.finish();
  EXPECT_EQ(first.digest(), sha256("abc"));
  EXPECT_EQ(second.digest(), sha256("abc"));
}

TEST(SinksTest, StringSinkIsBounded) {
  StringSink out(4);
  out.write(bytes_of("abcd"));
  EXPECT_EQ(test::error_kind([&] { out.write(bytes_of("e")); }), ErrorKind::exhausted);
  EXPECT_EQ(out.take(), "abcd");
}

TEST(SinksTest, DescriptorsRoundTrip) {
  const TemporaryDirectory directory("/tmp", "dlc-sinks-");
  const std::string path = directory.path() / "file";
  const std::string text = test::sample_text(700'000);
  {
    const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT);
    FdSink out(fd.get(), path);
    out.write(bytes_of(text));
    out.finish();
  }
  const UniqueFd fd = open_file(path, O_RDONLY);
  FdSource in(fd.get(), path);
  EXPECT_EQ(read_all(in), text);
}

TEST(SinksTest, DescriptorErrorsNameTheFile) {
  FdSource in(-1, "the layer");
  try {
    std::byte byte{};
    (void)in.read(std::span(&byte, 1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("the layer"), std::string::npos);
  }
  const UniqueFd full = open_file("/dev/full", O_WRONLY);
  FdSink out(full.get(), "the disk");
  EXPECT_EQ(test::error_kind([&] { out.write(bytes_of("x")); }), ErrorKind::exhausted);
}

TEST(SinksTest, MemorySourceGivesChunks) {
  MemorySource in("abcdef", 4);
  std::array<std::byte, 6> buffer{};
  EXPECT_EQ(in.read(buffer), 4U);
  EXPECT_EQ(in.read(buffer), 2U);
  EXPECT_EQ(in.read(buffer), 0U);
}

TEST(SinksTest, ReadFullJoinsChunks) {
  MemorySource in("abcdef", 1);
  std::array<std::byte, 4> buffer{};
  EXPECT_EQ(read_full(in, buffer), 4U);
  EXPECT_EQ(read_full(in, buffer), 2U);
}

TEST(SinksTest, ReadAllIsBounded) {
  MemorySource in("abcdef");
  EXPECT_EQ(test::error_kind([&] { (void)read_all(in, 5); }), ErrorKind::exhausted);
}

TEST(SinksTest, HashSourceSeesWhatWasRead) {
  MemorySource in("abc", 2);
  HashSource hash(in);
  NullSink out;
  EXPECT_EQ(copy(hash, out), 3U);
  out.finish();
  EXPECT_EQ(hash.size(), 3U);
  EXPECT_EQ(hash.digest(), sha256("abc"));
}

}  // namespace
}  // namespace dlc::codec
