// Archives of other writers' forms, made by hand: GNU, old, sparse, damaged.
#include <gtest/gtest.h>

#include "archive.h"
#include "codec/tar.h"
#include "data.h"

namespace dlc::codec {
namespace {

using test::Archive;
using test::end_of_archive;
using test::error_kind;
using test::extension;
using test::padded;
using test::pax_record;
using test::RawHeader;
using test::read_archive;

using Type = TarEntry::Type;

ErrorKind read_error(const std::string& bytes) {
  return error_kind([&] { (void)read_archive(bytes); });
}

test::Member only(const std::string& bytes) {
  const Archive archive = read_archive(bytes + end_of_archive());
  EXPECT_EQ(archive.size(), 1U);
  return archive.empty() ? test::Member{} : archive.front();
}

TEST(TarReaderTest, NamesAreCleaned) {
  for (const auto& [name, path] : std::vector<std::pair<std::string, std::string>>{{"a", "a"},
                                                                                   {"/a", "a"},
                                                                                   {"./a", "a"},
                                                                                   {".//./a", "a"},
                                                                                   {"../a", "../a"},
                                                                                   {"./../a", "../a"},
                                                                                   {".a", ".a"}}) {
    EXPECT_EQ(only(RawHeader(name, '0', 0).sealed()).entry.path, path) << name;
  }
  for (const std::string root : {"./", ".", "/", "././"}) {
    EXPECT_EQ(only(RawHeader(root, '5', 0).sealed()).entry.path, "") << root;
  }
  EXPECT_EQ(only(RawHeader("d//", '5', 0).sealed()).entry.path, "d");
  EXPECT_EQ(only(RawHeader("hard", '1', 0).put(157, "./x").sealed()).entry.link, "x");
  EXPECT_EQ(only(RawHeader("soft", '2', 0).put(157, "./x").sealed()).entry.link, "./x");
}

TEST(TarReaderTest, OldForms) {
  // Version 7: no magic, type NUL, directories marked by a slash; GNU: another magic; sums of signed bytes.
  EXPECT_EQ(only(RawHeader("file", '\0', 3, "").sealed() + padded("abc")).content, "abc");
  const auto directory = only(RawHeader("dir/", '\0', 0, "").sealed());
  EXPECT_EQ(directory.entry.type, Type::directory);
  EXPECT_EQ(directory.entry.path, "dir");
  EXPECT_EQ(only(RawHeader("file", '0', 0, {"ustar  \0", 8}).put(345, "no prefix").sealed()).entry.path, "file");
  EXPECT_EQ(only(RawHeader("file", '0', 0).put(345, "prefix").sealed()).entry.path, "prefix/file");
  EXPECT_EQ(only(RawHeader("f\xff\xfe", '0', 0).sealed(true)).entry.path, "f\xff\xfe");
  EXPECT_EQ(only(RawHeader("contiguous", '7', 3).sealed() + padded("abc")).content, "abc");
  EXPECT_EQ(only(RawHeader("spaces", '0', 0).put(108, "   17 \0 ").sealed()).entry.uid, 017U);
}

TEST(TarReaderTest, DirectoriesAndLinksHaveNoData) {
  // The size of such entries is not followed by data (GNU tar, Go and libarchive agree).
  const Archive archive =
      read_archive(RawHeader("d", '5', 1000).sealed() + RawHeader("l", '2', 1000).put(157, "x").sealed() +
                   RawHeader("h", '1', 1000).put(157, "x").sealed() + RawHeader("f", '0', 1).sealed() + padded("c") +
                   end_of_archive());
  ASSERT_EQ(archive.size(), 4U);
  EXPECT_EQ(archive[3].content, "c");
  EXPECT_EQ(archive[1].entry.size, 0U);
}

TEST(TarReaderTest, NumbersInBase256) {
  const std::string uid("\x80\0\0\0\x12\x34\x56\x78", 8);
  const std::string before_epoch("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
  const auto member = only(RawHeader("f", '0', 0).put(108, uid).put(136, before_epoch).sealed());
  EXPECT_EQ(member.entry.uid, 0x12345678U);
  EXPECT_EQ(member.entry.mtime, -2);
  const std::string huge("\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_EQ(read_error(RawHeader("f", '0', 0).put(124, huge).sealed()), ErrorKind::corrupt);
  const std::string negative("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
  EXPECT_EQ(read_error(RawHeader("f", '0', 0).put(124, negative).sealed()), ErrorKind::corrupt);
  const std::string most("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_EQ(read_error(RawHeader("f", '0', 0).put(124, most).sealed()), ErrorKind::corrupt);
  const std::string lowest("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12);
  EXPECT_EQ(only(RawHeader("f", '0', 0).put(136, lowest).sealed()).entry.mtime,
            std::numeric_limits<std::int64_t>::min());
  const std::string lower("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_EQ(read_error(RawHeader("f", '0', 0).put(136, lower).sealed()), ErrorKind::corrupt);
}

TEST(TarReaderTest, GnuLongNames) {
  const std::string name = std::string(300, 'n') + "/x";
  const std::string target = std::string(200, 't');
  const auto member = only(extension('L', name + '\0') + extension('K', target + '\0') +
                           RawHeader("short", '2', 0, {"ustar  \0", 8}).put(157, "short").sealed());
  EXPECT_EQ(member.entry.path, name);
  EXPECT_EQ(member.entry.link, target);
}

TEST(TarReaderTest, PaxRecords) {
  const std::string records = pax_record("path", "long/name") + pax_record("size", "3") +
                              pax_record("uid", "3000000000") + pax_record("gid", "7") + pax_record("mtime", "-1.25") +
                              pax_record("atime", "1") + pax_record("SCHILY.xattr.user.a", std::string("x\0=\n", 4)) +
                              pax_record("comment", "ignored") + pax_record("uname", "ignored");
  const auto member = only(extension('x', records) + RawHeader("short", '0', 99).sealed() + padded("abc"));
  EXPECT_EQ(member.entry.path, "long/name");
  EXPECT_EQ(member.content, "abc");
  EXPECT_EQ(member.entry.uid, 3'000'000'000U);
  EXPECT_EQ(member.entry.gid, 7U);
  EXPECT_EQ(member.entry.mtime, -2);
  EXPECT_EQ(member.entry.mtime_nsec, 750'000'000U);
  EXPECT_EQ(member.entry.xattrs, (std::map<std::string, std::string>{{"user.a", std::string("x\0=\n", 4)}}));
}

TEST(TarReaderTest, GlobalRecordsAreCheckedAndLeftOut) {
  const Archive archive =
      read_archive(extension('g', pax_record("uid", "5") + pax_record("path", "x") + pax_record("comment", "c")) +
                   RawHeader("a", '0', 0).sealed() + extension('x', pax_record("uid", "7") + pax_record("gid", "")) +
                   RawHeader("b", '0', 0).sealed() + end_of_archive());
  ASSERT_EQ(archive.size(), 2U);
  EXPECT_EQ(archive[0].entry.path, "a");
  EXPECT_EQ(archive[0].entry.uid, 0U);
  EXPECT_EQ(archive[1].entry.uid, 7U);
  EXPECT_EQ(archive[1].entry.gid, 0U);
  EXPECT_EQ(read_error(extension('g', "garbage") + RawHeader("a", '0', 0).sealed() + end_of_archive()),
            ErrorKind::corrupt);
}

TEST(TarReaderTest, InvalidPaxRecords) {
  for (const std::string& records : {std::string("garbage"),
                                     std::string("5 a=b\n"),
                                     std::string("7 a=b\n"),
                                     std::string("6 a=bc"),
                                     std::string("6 =ab\n"),
                                     std::string("6 abc\n"),
                                     std::string("-6 a=b\n"),
                                     std::string(" 6 a=b\n"),
                                     std::string("99999999999999999999 a=b\n"),
                                     std::string("3 \n"),
                                     std::string("0 a=b\n"),
                                     pax_record("path", std::string("a\0b", 3)),
                                     pax_record("size", "x"),
                                     pax_record("size", "-1"),
                                     pax_record("size", "99999999999999999999"),
                                     pax_record("size", "9223372036854775807"),
                                     pax_record("mtime", "1.x"),
                                     pax_record("mtime", "x"),
                                     pax_record("mtime", "--1"),
                                     pax_record("mtime", "18446744073709551615"),
                                     pax_record("uid", " 1")}) {
    EXPECT_EQ(read_error(extension('x', records) + RawHeader("f", '0', 0).sealed() + end_of_archive()),
              ErrorKind::corrupt)
        << records;
  }
}

TEST(TarReaderTest, MemoryIsBounded) {
  EXPECT_EQ(read_error(RawHeader("x", 'x', (1 << 20) + 1).sealed()), ErrorKind::corrupt);
  EXPECT_EQ(read_error(RawHeader("L", 'L', 1ULL << 32).sealed()), ErrorKind::corrupt);
  EXPECT_EQ(read_error(RawHeader("g", 'g', (1 << 20) + 1).sealed()), ErrorKind::corrupt);
}

TEST(TarReaderTest, Truncations) {
  const std::string bytes = extension('x', pax_record("path", std::string(120, 'p'))) +
                            RawHeader("f", '0', 600).sealed() + padded(std::string(600, 'c'));
  for (std::size_t size = 1; size < bytes.size(); size += 37) {
    EXPECT_EQ(read_error(bytes.substr(0, size)), ErrorKind::corrupt) << size;
  }
  EXPECT_EQ(read_archive(bytes).size(), 1U);  // the end marker may be missing
  EXPECT_EQ(read_archive(bytes + std::string(512, '\0')).size(), 1U);
  EXPECT_EQ(read_archive("").size(), 0U);
}

TEST(TarReaderTest, DamagedHeaders) {
  const std::string good = RawHeader("f", '0', 0).sealed();
  std::string bytes = good;
  bytes[0] = 'g';
  EXPECT_EQ(read_error(bytes + end_of_archive()), ErrorKind::corrupt);  // the checksum
  EXPECT_EQ(read_error(RawHeader("f", '0', 0).put(124, "00000000009").sealed()), ErrorKind::corrupt);
  EXPECT_EQ(read_error(RawHeader("f", '0', 0).put(100, "rwxr-xr").sealed()), ErrorKind::corrupt);
  EXPECT_EQ(read_error(RawHeader("", '0', 0).sealed()), ErrorKind::corrupt);
  EXPECT_EQ(read_error(RawHeader("l", '2', 0).sealed()), ErrorKind::corrupt);
  EXPECT_EQ(read_error(good + std::string(512, '\0') + good), ErrorKind::corrupt);  // an entry after the end
  EXPECT_EQ(read_error(extension('x', pax_record("uid", "1"))), ErrorKind::corrupt);
  EXPECT_EQ(read_error(RawHeader("f", 'M', 0).sealed()), ErrorKind::unsupported);
  EXPECT_EQ(read_error(RawHeader("f", 'Z', 0).sealed()), ErrorKind::unsupported);
  EXPECT_EQ(read_archive(RawHeader("label", 'V', 0).sealed() + good + end_of_archive()).size(), 1U);
  EXPECT_EQ(read_error(RawHeader("d", '3', 0).put(329, std::string("\x80\0\0\x01\0\0\0\0", 8)).sealed()),
            ErrorKind::corrupt);  // a device number of 33 bits
}

// Sparse files: "ab", 1022 zeros, "cd", 2 zeros.
const std::string kSparseContent = "ab" + std::string(1022, '\0') + "cd" + std::string(2, '\0');

TEST(TarReaderTest, SparsePax00) {
  const std::string records = pax_record("GNU.sparse.size", "1028") + pax_record("GNU.sparse.numblocks", "2") +
                              pax_record("GNU.sparse.offset", "0") + pax_record("GNU.sparse.numbytes", "2") +
                              pax_record("GNU.sparse.offset", "1024") + pax_record("GNU.sparse.numbytes", "2");
  const auto member = only(extension('x', records) + RawHeader("f", '0', 4).sealed() + padded("abcd"));
  EXPECT_EQ(member.content, kSparseContent);
  EXPECT_EQ(member.entry.size, 1028U);
}

TEST(TarReaderTest, SparsePax01) {
  const std::string records = pax_record("GNU.sparse.size", "1028") + pax_record("GNU.sparse.name", "real/name") +
                              pax_record("GNU.sparse.map", "0,2,1024,2,1028,0");
  const auto member = only(extension('x', records) + RawHeader("GNUSparseFile.1/f", '0', 4).sealed() + padded("abcd"));
  EXPECT_EQ(member.content, kSparseContent);
  EXPECT_EQ(member.entry.path, "real/name");
}

std::string sparse_1_0(const std::string& map, std::uint64_t size = 1028) {
  const std::string records = pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                              pax_record("GNU.sparse.name", "real/name") +
                              pax_record("GNU.sparse.realsize", std::to_string(size));
  const std::string data = padded(map) + "abcd";
  return extension('x', records) + RawHeader("GNUSparseFile.1/f", '0', data.size()).sealed() + padded(data);
}

TEST(TarReaderTest, SparsePax10) {
  const auto member = only(sparse_1_0("2\n0\n2\n1024\n2\n"));
  EXPECT_EQ(member.content, kSparseContent);
  EXPECT_EQ(member.entry.path, "real/name");
  const Archive archive = read_archive(sparse_1_0("2\n0\n2\n1024\n2\n") + RawHeader("next", '0', 1).sealed() +
                                       padded("n") + end_of_archive());
  ASSERT_EQ(archive.size(), 2U);
  EXPECT_EQ(archive[1].content, "n");
}

TEST(TarReaderTest, SparseContentMaySkipped) {
  const std::string bytes = sparse_1_0("2\n0\n2\n1024\n2\n") + RawHeader("next", '0', 1).sealed() + padded("n");
  MemorySource in(bytes);
  TarReader reader(in);
  ASSERT_TRUE(reader.next());
  std::byte byte{};
  ASSERT_EQ(reader.read(std::span(&byte, 1)), 1U);
  ASSERT_TRUE(reader.next());
  ASSERT_EQ(reader.read(std::span(&byte, 1)), 1U);
  EXPECT_EQ(byte, std::byte{'n'});
}

std::string old_sparse(const std::vector<std::pair<int, int>>& extents, std::uint64_t size, const std::string& data) {
  RawHeader header("f", 'S', data.size(), {"ustar  \0", 8});
  header.put_octal(483, 12, size);
  std::string more;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const auto offset = static_cast<std::uint64_t>(extents[i].first);
    const auto length = static_cast<std::uint64_t>(extents[i].second);
    if (i < 4) {
      header.put_octal(386 + 24 * i, 12, offset).put_octal(398 + 24 * i, 12, length);
      continue;
    }
    const std::size_t slot = (i - 4) % 21;
    if (slot == 0) {
      more.empty() ? (void)header.put(482, "\1") : (void)(more[more.size() - 8] = 1);
      more += std::string(512, '\0');
    }
    RawHeader block("", '\0', 0);
    block.put_octal(0, 12, offset).put_octal(12, 12, length);
    more.replace(more.size() - 512 + 24 * slot, 24, block.sealed(), 0, 24);
  }
  return header.sealed() + more + padded(data);
}

TEST(TarReaderTest, SparseOldGnu) {
  EXPECT_EQ(only(old_sparse({{0, 2}, {1024, 2}, {1028, 0}}, 1028, "abcd")).content, kSparseContent);
  std::vector<std::pair<int, int>> extents;
  std::string data;
  std::string content;
  for (int i = 0; i < 60; ++i) {  // beyond two further blocks
    extents.emplace_back(i * 10, 1);
    data += static_cast<char>('a' + i % 26);
    content += data.back() + std::string(9, '\0');
  }
  EXPECT_EQ(only(old_sparse(extents, 600, data)).content, content);
}

TEST(TarReaderTest, HugeHolesAreNotMade) {
  const std::string bytes = sparse_1_0("1\n0\n4\n", 1ULL << 60);
  MemorySource in(bytes);
  TarReader reader(in);
  const auto entry = reader.next();
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->size, 1ULL << 60);
  std::byte byte{};
  EXPECT_EQ(reader.read(std::span(&byte, 1)), 1U);
  EXPECT_FALSE(reader.next());
}

TEST(TarReaderTest, InvalidSparseMaps) {
  for (const std::string& map :
       {std::string("2\n1024\n2\n0\n2\n"), std::string("2\n0\n2\n1\n2\n"), std::string("1\n0\n5\n"),
        std::string("1\n0\n3\n"), std::string("1\n1026\n4\n"), std::string("x\n"), std::string("1\n0\n"),
        std::string(400, '1') + "\n", std::string(), std::string("99999999999\n0\n4\n"),
        std::string("1\n18446744073709551615\n4\n"), std::string("2\n0\n18446744073709551615\n1\n5\n")}) {
    EXPECT_EQ(read_error(sparse_1_0(map) + end_of_archive()), ErrorKind::corrupt) << map;
  }
  for (const std::string& map : {std::string("0"), std::string("0,4,"), std::string("0,x"), std::string(",")}) {
    const std::string records = pax_record("GNU.sparse.size", "10") + pax_record("GNU.sparse.map", map);
    EXPECT_EQ(read_error(extension('x', records) + RawHeader("f", '0', 4).sealed() + padded("abcd")),
              ErrorKind::corrupt)
        << map;
  }
  EXPECT_EQ(read_error(extension('x', pax_record("GNU.sparse.numbytes", "1")) + RawHeader("f", '0', 0).sealed()),
            ErrorKind::corrupt);
  EXPECT_EQ(read_error(extension('x', pax_record("GNU.sparse.major", "2")) + RawHeader("f", '0', 0).sealed()),
            ErrorKind::unsupported);
  EXPECT_EQ(read_error(old_sparse({{0, 2}, {1024, 2}}, 1000, "abcd")), ErrorKind::corrupt);
  RawHeader endless("f", 'S', 0);
  endless.put(482, "\1");
  EXPECT_EQ(read_error(endless.sealed() + padded(std::string(504, '\0') + "\1")), ErrorKind::corrupt);
  std::string map;
  for (int i = 0; i < (1 << 18) + 1; ++i) {
    map += "0\n0\n";
  }
  EXPECT_EQ(read_error(sparse_1_0(std::to_string((1 << 18) + 1) + "\n" + map)), ErrorKind::corrupt);
}

}  // namespace
}  // namespace dlc::codec
