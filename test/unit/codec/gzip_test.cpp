#include "codec/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>

#include "data.h"

namespace dlc::codec {
namespace {

using test::compressed;
using test::decompressed;
using test::error_kind;

constexpr std::size_t kBlock = 1024 * 1024;

/// What zlib's own decoder makes of it: one member only, and nothing after it.
std::string zlib_decoded(const std::string& bytes) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  EXPECT_EQ(inflateInit2(&stream, kGzip), Z_OK);
  std::string input = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  std::string out;
  std::string buffer(1 << 16, '\0');
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, 0, buffer.size() - stream.avail_out);
  }
  EXPECT_EQ(status, Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  inflateEnd(&stream);
  return out;
}

struct Case {
  const char* name;
  int level;
  bool portable;
};

class GzipEngineTest : public testing::TestWithParam<Case> {
 protected:
  static CompressionOptions options(unsigned threads) {
    return {.kind = Compression::gzip, .level = GetParam().level, .threads = threads, .portable = GetParam().portable};
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, GzipEngineTest,
                         testing::Values(Case{"default_engine", 0, false}, Case{"isal1", 1, false},
                                         Case{"isal2", 2, false}, Case{"zlib4", 4, false}, Case{"portable", 0, true}),
                         [](const auto& param_info) { return param_info.param.name; });

TEST_P(GzipEngineTest, RoundTripsAtBlockBoundaries) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, kBlock - 1, kBlock, kBlock + 1,
                                 2 * kBlock, 3 * kBlock + 12345}) {
    for (const std::string& text : {test::sample_text(size), test::noise(size), std::string(size, '\0')}) {
      const std::string bytes = compressed(text, options(2));
      EXPECT_EQ(zlib_decoded(bytes), text) << size;
      Compression kind = Compression::none;
      EXPECT_EQ(decompressed(bytes, 0, &kind), text) << size;
      EXPECT_EQ(kind, Compression::gzip);
    }
  }
}

TEST_P(GzipEngineTest, BytesDependOnNeitherThreadsNorPieces) {
  const std::string text = test::sample_text(5 * kBlock + 777) + test::noise(kBlock / 2);
  const std::string expected = compressed(text, options(1));
  EXPECT_LT(expected.size(), text.size() * 3 / 4);
  for (const unsigned threads : {1U, 2U, 8U}) {
    for (const std::size_t piece : {std::size_t{0}, std::size_t{511}, kBlock, 3 * kBlock}) {
      EXPECT_TRUE(compressed(text, options(threads), piece) == expected) << threads << " " << piece;
    }
  }
}

TEST_P(GzipEngineTest, BlocksUseWhatPrecedesThem) {
  // The second block repeats the end of the first one: with its dictionary that costs next to nothing.
  const std::string tail = test::noise(30'000);
  const std::string text = std::string(kBlock - tail.size(), 'x') + tail + tail;
  EXPECT_LT(compressed(text, options(1)).size(), tail.size() + 10'000);
}

TEST(GzipTest, HeaderSaysNothingAboutTheMaker) {
  const std::string bytes = compressed("x", {});
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10));
}

// The very bytes: a change of them makes every layer of every user new. Holds on each CPU with SSE4.2
// (seen natively and under qemu as Nehalem, Westmere and Haswell).
TEST(GzipTest, BytesAreFixed) {
  const std::string text = test::sample_text(2 * kBlock + 5);
  ASSERT_EQ(sha256(text).hex().substr(0, 16), "49c2dab1fd8fac71");
  EXPECT_EQ(sha256(compressed(text, {.portable = true})).hex().substr(0, 16), "75c95746fc6911b4");
  if (choose_deflate(0, false).library == DeflateEngine::Library::isal) {
    EXPECT_EQ(sha256(compressed(text, {.level = 1})).hex().substr(0, 16), "f69a27e6301b7f75");
    EXPECT_EQ(sha256(compressed(text, {.level = 2})).hex().substr(0, 16), "ff10952019e6588b");
  }
}

TEST(GzipTest, LevelsAndNames) {
  EXPECT_EQ(engine_name({.level = 5}).rfind("zlib-", 0), 0U);
  EXPECT_NE(engine_name({.level = 5}).find(" level 5"), std::string::npos);
  EXPECT_NE(engine_name({.portable = true}).find("zlib-"), std::string::npos);
  EXPECT_NE(engine_name({}), engine_name({.portable = true}));
  for (const int level : {-1, 10}) {
    EXPECT_EQ(error_kind([&] { (void)engine_name({.level = level}); }), ErrorKind::invalid);
    StringSink out;
    EXPECT_EQ(error_kind([&] { (void)compress(out, {.level = level}); }), ErrorKind::invalid);
  }
}

TEST(GzipTest, AllMembersAreRead) {
  const std::string one = compressed("one ", {});
  const std::string empty = compressed("", {});
  const std::string two = compressed(test::sample_text(300'000), {.level = 6});
  for (const std::size_t chunk : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    EXPECT_EQ(decompressed(one + empty + two + one, chunk), "one " + test::sample_text(300'000) + "one ");
  }
}

TEST(GzipTest, HeadersWithAllFields) {
  const std::string plain = compressed("content", {});
  const std::string header("\x1f\x8b\x08\x1f\1\2\3\4\2\3", 10);
  const std::string extra = std::string("\x05\x00", 2) + "extra";
  const std::string name(70'000, 'n');  // longer than any buffer a reader may have for it
  const std::string bytes = header + extra + name + '\0' + "comment" + '\0' + "cc" + plain.substr(10);
  EXPECT_EQ(decompressed(bytes), "content");
  EXPECT_EQ(decompressed(bytes, 1), "content");
}

TEST(GzipTest, EveryTruncationIsFound) {
  const std::string bytes = compressed(test::sample_text(3000), {});
  for (std::size_t size = 3; size < bytes.size(); ++size) {  // less is no gzip
    const std::string part = bytes.substr(0, size);
    EXPECT_EQ(error_kind([&] { (void)decompressed(part); }), ErrorKind::corrupt) << size;
    EXPECT_EQ(error_kind([&] { (void)decompressed(part, 13); }), ErrorKind::corrupt) << size;
  }
}

TEST(GzipTest, EveryFlippedBitIsFoundOrHarmless) {
  const std::string text = test::sample_text(2000);
  const std::string good = compressed(text, {});
  for (std::size_t i = 3; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      try {
        EXPECT_EQ(decompressed(bytes), text) << i;  // a time in the header, or another distance to the same bytes
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      }
    }
  }
}

TEST(GzipTest, GarbageAfterTheEnd) {
  const std::string good = compressed("content", {});
  for (const std::string& tail : {std::string("garbage"), std::string(512, '\0'), std::string("\x1f"),
                                  good.substr(0, 9), std::string("\x1f\x8b\x07", 3) + good.substr(3)}) {
    EXPECT_EQ(error_kind([&] { (void)decompressed(good + tail); }), ErrorKind::corrupt);
  }
  MemorySource empty("");
  EXPECT_EQ(error_kind([&] { (void)read_all(*gzip_source(empty)); }), ErrorKind::corrupt);
  std::string reserved = good;
  reserved[3] = '\x40';
  EXPECT_EQ(error_kind([&] { (void)decompressed(reserved); }), ErrorKind::corrupt);
}

TEST(GzipTest, ABombIsReadInSmallPieces) {
  const std::string bytes = compressed(std::string(64 * kBlock, '\0'), {});
  EXPECT_LT(bytes.size(), kBlock);
  MemorySource in(bytes);
  const auto source = decompress(in);
  std::vector<std::byte> buffer(1000);
  std::size_t total = 0;
  while (const std::size_t count = source->read(buffer)) {
    ASSERT_LE(count, buffer.size());
    total += count;
  }
  EXPECT_EQ(total, 64 * kBlock);
  EXPECT_EQ(source->read(buffer), 0U);
}

TEST(GzipTest, ErrorsOfBothEndsPass) {
  const std::string text = test::noise(20 * kBlock);
  for (const unsigned threads : {1U, 4U}) {
    for (const std::size_t room : {std::size_t{0}, std::size_t{5}, 3 * kBlock}) {
      test::FailingSink out(room);
      EXPECT_EQ(error_kind([&] {
                  const auto sink = compress(out, {.threads = threads});
                  sink->write(bytes_of(text));
                  sink->finish();
                }),
                ErrorKind::exhausted);
    }
  }
  const std::string bytes = compressed(text, {});
  test::FailingSource in(std::string_view(bytes).substr(0, bytes.size() / 2));
  EXPECT_EQ(error_kind([&] { (void)read_all(*decompress(in)); }), ErrorKind::network);
}

std::size_t thread_count() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

TEST(GzipTest, MayBeLeftWithoutFinish) {
  const std::size_t before = thread_count();
  for (std::size_t blocks = 0; blocks < 12; ++blocks) {
    StringSink out;
    const auto sink = compress(out, {.threads = 3});
    sink->write(bytes_of(test::sample_text(blocks * kBlock + 1)));
  }
  EXPECT_EQ(thread_count(), before);
}

}  // namespace
}  // namespace dlc::codec
