#include "codec/tar.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "archive.h"
#include "data.h"

namespace dlc::codec {
namespace {

using test::Archive;
using test::error_kind;
using test::make_entry;
using test::read_archive;
using test::write_archive;

using Type = TarEntry::Type;

Archive one(TarEntry entry, std::string content = "") {
  entry.size = content.size();
  return {{std::move(entry), std::move(content)}};
}

TEST(TarTest, EveryTypeRoundTrips) {
  Archive archive;
  archive.push_back({make_entry("", Type::directory), ""});
  archive.push_back({make_entry("dir", Type::directory), ""});
  archive.push_back({make_entry("dir/file", Type::file, 7), "content"});
  archive.push_back({make_entry("dir/empty", Type::file), ""});
  archive.push_back({make_entry("dir/link", Type::symlink), ""});
  archive.back().entry.link = "/etc/../x/";
  archive.push_back({make_entry("dir/hard", Type::hard_link), ""});
  archive.back().entry.link = "dir/file";
  archive.push_back({make_entry("dev/null", Type::character), ""});
  archive.back().entry.major = 1;
  archive.back().entry.minor = 3;
  archive.push_back({make_entry("dev/sda", Type::block), ""});
  archive.back().entry.major = 8;
  archive.push_back({make_entry("fifo", Type::fifo), ""});
  for (auto& member : archive) {
    member.entry.mode = 07755;
    member.entry.uid = 1000;
    member.entry.gid = 100;
    member.entry.mtime = 1577836800;
  }
  const std::string bytes = write_archive(archive);
  EXPECT_EQ(bytes.size(), (archive.size() + 1 + 2) * 512);  // no PAX headers, one block of content, the end
  EXPECT_EQ(read_archive(bytes), archive);
  EXPECT_EQ(read_archive(bytes, 1), archive);
}

/// The number of header blocks that come before the entry's own.
std::size_t pax_blocks(const TarEntry& entry) {
  Archive archive = one(entry);
  const std::string bytes = write_archive(archive);
  EXPECT_EQ(read_archive(bytes), archive);
  return bytes.size() / 512 - 3;
}

TEST(TarTest, PaxHeadersOnlyWhereNeeded) {
  const TarEntry plain = make_entry("file", Type::file);
  EXPECT_EQ(pax_blocks(plain), 0U);
  TarEntry entry = plain;
  entry.path = std::string(100, 'n');
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry.path = std::string(101, 'n');
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry.path = std::string(155, 'p') + "/" + std::string(100, 'n');
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry.path = std::string(156, 'p') + "/" + std::string(100, 'n');
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry.path = "d\xc3\xa9j\xc3\xa0/vu";
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry.path = "latin1 \xe9, newline \n, and =";
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry = make_entry(std::string(99, 'd'), Type::directory);
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry.path += 'd';  // no room for the slash
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry.path = std::string(50, 'a') + "/" + std::string(100, 'd');
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry = make_entry("link", Type::symlink);
  entry.link = std::string(100, 't');
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry.link += 't';
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry = plain;
  entry.uid = 07777777;
  entry.mtime = 077777777777;
  EXPECT_EQ(pax_blocks(entry), 0U);
  entry.gid = 07777777 + 1;
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry = plain;
  entry.mtime = -1;
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry.mtime = 1;
  entry.mtime_nsec = 1;
  EXPECT_EQ(pax_blocks(entry), 2U);
  entry = plain;
  entry.xattrs["security.capability"] = std::string("\1\0\0\2\n=", 6);
  EXPECT_EQ(pax_blocks(entry), 2U);
}

TEST(TarTest, SizesAboveEightGiB) {
  constexpr std::uint64_t kSize = (8ULL << 30) + 1000;
  StringSink head(1 << 16);
  TarWriter writer(head);
  writer.begin(make_entry("big", Type::file, kSize));
  const std::string bytes = head.take();
  EXPECT_EQ(bytes.size(), 3U * 512);
  MemorySource in(bytes);
  TarReader reader(in);
  const auto entry = reader.next();
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->size, kSize);
  EXPECT_EQ(error_kind([&] { (void)reader.next(); }), ErrorKind::corrupt);
}

TEST(TarTest, OffsetsAgree) {
  StringSink out;
  TarWriter writer(out);
  TarEntry entry = make_entry(std::string(120, 'x'), Type::file, 3);
  writer.begin(entry);
  const std::uint64_t content = writer.offset();
  writer.data(bytes_of("abc"));
  const std::uint64_t next = writer.offset();
  writer.begin(make_entry("next", Type::file));
  writer.finish();
  const std::string bytes = out.take();
  EXPECT_EQ(bytes.substr(content, 3), "abc");
  EXPECT_EQ(bytes.substr(next, 4), "next");
  MemorySource in(bytes);
  TarReader reader(in);
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.content_offset(), content);
  ASSERT_TRUE(reader.next());  // without reading the content
  EXPECT_EQ(reader.content_offset(), next + 512);
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST(TarTest, WriterRefusesMisuse) {
  StringSink out;
  TarWriter writer(out);
  const auto internal = [&](const TarEntry& entry) {
    EXPECT_EQ(error_kind([&] { writer.begin(entry); }), ErrorKind::internal);
  };
  internal(make_entry("", Type::file));
  internal(make_entry(std::string("a\0b", 3), Type::file));
  internal(make_entry("d", Type::directory, 5));
  TarEntry entry = make_entry("f", Type::file);
  entry.mtime_nsec = 1'000'000'000;
  internal(entry);
  entry = make_entry("l", Type::symlink);
  entry.link = std::string("a\0b", 3);
  internal(entry);
  entry = make_entry("f", Type::file);
  entry.xattrs["user.a=b"] = "x";
  EXPECT_EQ(error_kind([&] { writer.begin(entry); }), ErrorKind::unsupported);
  writer.begin(make_entry("f", Type::file, 3));
  EXPECT_EQ(error_kind([&] { writer.data(bytes_of("four")); }), ErrorKind::internal);
  writer.data(bytes_of("ab"));
  EXPECT_EQ(error_kind([&] { writer.begin(entry); }), ErrorKind::internal);
  EXPECT_EQ(error_kind([&] { writer.finish(); }), ErrorKind::internal);
  writer.data(bytes_of("c"));
  writer.finish();
}

TEST(TarTest, DrainsItsInput) {
  const std::string bytes = write_archive(one(make_entry("f", Type::file), "abc")) + std::string(9000, '\0') + "tail";
  MemorySource in(bytes);
  HashSource hash(in);
  TarReader reader(hash);
  while (reader.next()) {
  }
  EXPECT_EQ(hash.size(), bytes.size());
}

// Any entry, as far as the format can hold it.
rc::Gen<std::string> text_without(char unwanted) {
  return rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::suchThat<char>([unwanted](char c) { return c != '\0' && c != unwanted; })));
}

rc::Gen<std::string> path_gen() {
  return rc::gen::map(rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(text_without('/'))),
                      [](const std::vector<std::string>& parts) {
                        std::string path = "p";
                        for (const std::string& part : parts) {
                          path += "/" + part;
                        }
                        return path;
                      });
}

rc::Gen<std::map<std::string, std::string>> xattrs_gen() {
  return rc::gen::container<std::map<std::string, std::string>>(text_without('='),
                                                                rc::gen::nonEmpty(rc::gen::arbitrary<std::string>()));
}

test::Member draw_member() {
  test::Member member;
  TarEntry& entry = member.entry;
  entry.type = *rc::gen::element(Type::file, Type::hard_link, Type::symlink, Type::character, Type::block,
                                 Type::directory, Type::fifo);
  entry.path = *path_gen();
  entry.mode = *rc::gen::inRange(0U, 010000U);
  entry.uid = *rc::gen::arbitrary<std::uint32_t>();
  entry.gid = *rc::gen::arbitrary<std::uint32_t>();
  entry.mtime = *rc::gen::inRange<std::int64_t>(-(1LL << 40), 1LL << 40);
  entry.mtime_nsec = *rc::gen::element(0U, 1U, 500'000'000U, 999'999'999U);
  entry.xattrs = *xattrs_gen();
  if (entry.type == Type::file) {
    member.content = *rc::gen::arbitrary<std::string>();
    entry.size = member.content.size();
  } else if (entry.type == Type::symlink || entry.type == Type::hard_link) {
    entry.link = *path_gen();
  } else if (entry.type == Type::character || entry.type == Type::block) {
    entry.major = *rc::gen::arbitrary<std::uint32_t>();
    entry.minor = *rc::gen::arbitrary<std::uint32_t>();
  }
  return member;
}

RC_GTEST_PROP(TarProperty, WhatIsWrittenIsRead, ()) {
  Archive archive;
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) {
    archive.push_back(draw_member());
  }
  const std::string bytes = write_archive(archive);
  RC_ASSERT(bytes.size() % 512 == 0);
  RC_ASSERT(read_archive(bytes, *rc::gen::element<std::size_t>(0, 1, 100, 512)) == archive);
  RC_ASSERT(write_archive(archive) == bytes);
}

RC_GTEST_PROP(TarProperty, DamageGivesErrorsOnly, ()) {
  Archive archive = {draw_member(), draw_member()};
  std::string bytes = write_archive(archive);
  const int changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
  }
  bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
  try {
    (void)read_archive(bytes);
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unsupported);
  }
}

RC_GTEST_PROP(CompressionProperty, RoundTrips, ()) {
  const auto text = *rc::gen::arbitrary<std::string>();
  const auto kind = *rc::gen::element(Compression::none, Compression::gzip, Compression::zstd);
  // Uncompressed bytes may look like a compressed stream.
  const std::string safe = kind == Compression::none ? "plain " + text : text;
  const auto piece = *rc::gen::inRange<std::size_t>(1, 20);
  RC_ASSERT(test::decompressed(test::compressed(safe, {.kind = kind}, piece), *rc::gen::inRange<std::size_t>(1, 20)) ==
            safe);
}

}  // namespace
}  // namespace dlc::codec
