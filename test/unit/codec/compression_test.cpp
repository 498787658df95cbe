#include "codec/compression.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "data.h"

namespace dlc::codec {
namespace {

using test::compressed;
using test::decompressed;
using test::error_kind;
using test::from_hex;

constexpr std::size_t kMiB = 1024 * 1024;

CompressionOptions zstd(unsigned threads = 1) {
  return {.kind = Compression::zstd, .threads = threads};
}

TEST(ZstdTest, RoundTrips) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMiB, kMiB + 1, 9 * kMiB + 3}) {
    for (const std::string& text : {test::sample_text(size), test::noise(size)}) {
      const std::string bytes = compressed(text, zstd(2));
      Compression kind = Compression::none;
      EXPECT_TRUE(decompressed(bytes, 0, &kind) == text) << size;
      EXPECT_EQ(kind, Compression::zstd);
      EXPECT_TRUE(decompressed(bytes, 1000) == text) << size;
    }
  }
}

TEST(ZstdTest, BytesDependOnNeitherThreadsNorPieces) {
  for (const std::size_t size : {std::size_t{100}, std::size_t{600'000}, 20 * kMiB}) {
    const std::string text = test::sample_text(size);
    const std::string expected = compressed(text, zstd(1));
    for (const unsigned threads : {1U, 2U, 8U}) {
      for (const std::size_t piece : {std::size_t{0}, std::size_t{4097}}) {
        EXPECT_TRUE(compressed(text, zstd(threads), piece) == expected) << size << " " << threads << " " << piece;
      }
    }
  }
}

TEST(ZstdTest, AllFramesAreRead) {
  const std::string one = compressed("one ", zstd());
  const std::string skippable("\x53\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
  EXPECT_EQ(decompressed(one + one + skippable + one, 3), "one one one ");
  Compression kind = Compression::none;
  EXPECT_EQ(decompressed(skippable + one, 0, &kind), "one ");
  EXPECT_EQ(kind, Compression::zstd);
}

TEST(ZstdTest, EveryTruncationIsFound) {
  const std::string bytes = compressed(test::sample_text(3000), zstd());
  for (std::size_t size = 4; size < bytes.size(); ++size) {
    EXPECT_EQ(error_kind([&] { (void)decompressed(bytes.substr(0, size)); }), ErrorKind::corrupt) << size;
  }
}

TEST(ZstdTest, EveryFlippedBitIsFound) {
  const std::string text = test::sample_text(2000);
  const std::string good = compressed(text, zstd());
  for (std::size_t i = 4; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      try {
        EXPECT_EQ(decompressed(bytes), text) << i;
      } catch (const Error& error) {
        EXPECT_TRUE(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unsupported) << error.what();
      }
    }
  }
}

TEST(ZstdTest, GarbageAfterTheEnd) {
  const std::string good = compressed("content", zstd());
  for (const std::string& tail :
       {std::string("garbage"), std::string("\0", 1), good.substr(0, 3), std::string(512, '\0')}) {
    EXPECT_EQ(error_kind([&] { (void)decompressed(good + tail); }), ErrorKind::corrupt);
  }
}

TEST(ZstdTest, WindowsOfGigabytesAreRefused) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  constexpr int kWindowLog = 30;
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, kWindowLog);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);
  std::string bytes(1000, '\0');
  ZSTD_outBuffer output{bytes.data(), bytes.size(), 0};
  std::string text = "content";
  ZSTD_inBuffer input{text.data(), text.size(), 0};
  ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_continue);
  ASSERT_EQ(ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_end), 0U);
  bytes.resize(output.pos);
  EXPECT_EQ(error_kind([&] { (void)decompressed(bytes); }), ErrorKind::unsupported);
}

TEST(ZstdTest, LevelsNamesAndErrors) {
  EXPECT_NE(engine_name(zstd()).find(" level 3"), std::string::npos);
  StringSink out;
  for (const int level : {-1, 20}) {
    EXPECT_EQ(error_kind([&] { (void)compress(out, {.kind = Compression::zstd, .level = level}); }),
              ErrorKind::invalid);
  }
  test::FailingSink full(10);
  EXPECT_EQ(error_kind([&] {
              const auto sink = compress(full, zstd(4));
              sink->write(bytes_of(test::noise(5 * kMiB)));
              sink->finish();
            }),
            ErrorKind::exhausted);
}

// xz and bzip2 of 1000 times "hello ", and of nothing.
const std::string kXz = from_hex(
    "fd377a585a000004e6d6b4460200210116000000742fe5a3e0176f00275d00341949ee8de95fc1f0f71744508562c30882dc61136033e191b5"
    "69"
    "53251eba714fabebfb648c000000a438673cb440a3e8000143f02e0000004f244042b1c467fb020000000004595a");
const std::string kBzip2 = from_hex(
    "425a6839314159265359a3a36e470005db910040000244a0005066804d54636a419520fd4832a41b548385dc914e142428e8db91c0");
const std::string kEmptyXz = from_hex("fd377a585a000004e6d6b446000000001cdf44211fb6f37d010000000004595a");
const std::string kEmptyBzip2 = from_hex("425a683917724538509000000000");

std::string hellos() {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "hello ";
  }
  return text;
}

TEST(ForeignTest, Decodes) {
  for (const std::string& bytes : {kXz, kBzip2}) {
    for (const std::size_t chunk : {std::size_t{0}, std::size_t{1}}) {
      Compression kind = Compression::gzip;
      EXPECT_EQ(decompressed(bytes, chunk, &kind), hellos());
      EXPECT_EQ(kind, Compression::none);
    }
    EXPECT_EQ(decompressed(bytes + bytes), hellos() + hellos());
  }
  EXPECT_EQ(decompressed(kEmptyXz), "");
  EXPECT_EQ(decompressed(kEmptyBzip2), "");
}

TEST(ForeignTest, DecodesOnceOnly) {
  // An archive member that is itself compressed stays so.
  StringSink out;
  EXPECT_EQ(decompressed(compressed(kXz, {})), kXz);
}

TEST(ForeignTest, DamageIsFound) {
  for (const std::string& good : {kXz, kBzip2}) {
    for (std::size_t size = 10; size < good.size(); ++size) {
      EXPECT_EQ(error_kind([&] { (void)decompressed(good.substr(0, size)); }), ErrorKind::corrupt) << size;
    }
    std::string bytes = good;
    bytes[good.size() / 2] = static_cast<char>(bytes[good.size() / 2] ^ 0x10);
    EXPECT_EQ(error_kind([&] { (void)decompressed(bytes); }), ErrorKind::corrupt);
  }
}

TEST(ForeignTest, ErrorsOfTheInputPass) {
  test::FailingSource in(std::string_view(kXz).substr(0, 40));
  EXPECT_EQ(error_kind([&] { (void)read_all(*decompress(in)); }), ErrorKind::network);
}

TEST(SniffTest, PlainBytesPass) {
  for (const std::string& text : {std::string(), std::string("x"), std::string("\x1f\x8b", 2),
                                  std::string("BZh9 is a text"), std::string("PK\3\4 zip"), test::noise(100'000)}) {
    Compression kind = Compression::gzip;
    EXPECT_EQ(decompressed(text, 0, &kind), text);
    EXPECT_EQ(kind, Compression::none);
    EXPECT_EQ(decompressed(text, 1), text);
  }
}

TEST(SniffTest, NoCompressionPasses) {
  EXPECT_EQ(compressed("text", {.kind = Compression::none}), "text");
  EXPECT_EQ(engine_name({.kind = Compression::none}), "none");
}

}  // namespace
}  // namespace dlc::codec
