// Our archives in the hands of GNU tar, bsdtar and python, and theirs in ours.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "archive.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/process.h"
#include "codec/tar.h"
#include "data.h"

namespace dlc::codec {
namespace {

using test::Archive;
using test::make_entry;
using test::read_archive;
using test::write_archive;

using Type = TarEntry::Type;

std::string run(const std::vector<std::string>& argv) {
  const CommandResult result = run_command(argv);
  EXPECT_EQ(result.status, 0) << argv[0] << ": " << result.error;
  EXPECT_EQ(result.error, "") << argv[0];
  return result.output;
}

class TarToolsTest : public testing::Test {
 protected:
  TarToolsTest() : directory_("/tmp", "dlc-tar-") {}

  void SetUp() override {
    for (const char* tool : {"tar", "bsdtar", "python3"}) {
      if (!find_program(tool)) {
        GTEST_SKIP() << tool << " is not installed";
      }
    }
  }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path() / name; }

  TemporaryDirectory directory_;
};

/// One of everything that needs more than a plain header.
Archive demanding() {
  Archive archive;
  const auto add = [&](TarEntry entry, std::string content = "") {
    entry.size = content.size();
    entry.mtime = 1577836800;
    archive.push_back({std::move(entry), std::move(content)});
  };
  add(make_entry("dir", Type::directory));
  archive.back().entry.mode = 01777;
  add(make_entry("dir/file", Type::file), test::sample_text(5000));
  archive.back().entry.mode = 04755;
  add(make_entry("dir/" + std::string(150, 'l') + "/" + std::string(120, 'n'), Type::file), "long");
  add(make_entry("dir/" + std::string(90, 's') + "/" + std::string(90, 'n'), Type::file), "split");
  add(make_entry("dir/d\xc3\xa9j\xc3\xa0", Type::file), "accents");
  add(make_entry("link", Type::symlink));
  archive.back().entry.link = std::string(150, 't');
  add(make_entry("hard", Type::hard_link));
  archive.back().entry.link = "dir/file";
  add(make_entry("fifo", Type::fifo));
  add(make_entry("time", Type::file), "t");
  archive.back().entry.mtime_nsec = 123'456'789;
  add(make_entry("owner", Type::file), "o");
  archive.back().entry.uid = 3'000'000'000;
  add(make_entry("null", Type::character));
  archive.back().entry.major = 1;
  archive.back().entry.minor = 3;
  return archive;
}

std::string slurp(const std::string& path) {
  return read_file(path);
}

void expect_unpacked(const std::string& root) {
  EXPECT_EQ(slurp(root + "/dir/file"), test::sample_text(5000));
  EXPECT_EQ(slurp(root + "/dir/" + std::string(150, 'l') + "/" + std::string(120, 'n')), "long");
  EXPECT_EQ(slurp(root + "/dir/" + std::string(90, 's') + "/" + std::string(90, 'n')), "split");
  EXPECT_EQ(slurp(root + "/dir/d\xc3\xa9j\xc3\xa0"), "accents");
  EXPECT_EQ(std::filesystem::read_symlink(root + "/link"), std::string(150, 't'));
  EXPECT_EQ(std::filesystem::hard_link_count(root + "/hard"), 2U);
  EXPECT_TRUE(std::filesystem::is_fifo(root + "/fifo"));
  struct stat status{};
  ASSERT_EQ(stat((root + "/time").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 1577836800);
  EXPECT_EQ(status.st_mtim.tv_nsec, 123'456'789);
  ASSERT_EQ(stat((root + "/dir/file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0755U);
}

Archive without_owners(Archive archive) {
  // Devices and foreign owners need privileges that a test may lack.
  std::erase_if(archive, [](const test::Member& member) { return member.entry.path == "null"; });
  for (test::Member& member : archive) {
    member.entry.uid = getuid();
    member.entry.gid = getgid();
  }
  return archive;
}

TEST_F(TarToolsTest, OthersUnpackOurs) {
  write_file_atomically(path("a.tar"), write_archive(without_owners(demanding())));
  const std::vector<std::vector<std::string>> unpackers = {
      {"tar", "--no-same-owner", "-xpf", path("a.tar"), "-C"},
      {"bsdtar", "--no-same-owner", "-xpf", path("a.tar"), "-C"},
      {"python3", "-c", "import sys,tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])", path("a.tar")},
  };
  for (std::size_t i = 0; i < unpackers.size(); ++i) {
    const std::string root = path("root" + std::to_string(i));
    std::filesystem::create_directory(root);
    auto argv = unpackers[i];
    argv.push_back(root);
    run(argv);
    SCOPED_TRACE(argv[0]);
    if (argv[0] == "python3") {  // sets times as floating-point numbers, and by default no setuid bits
      EXPECT_EQ(slurp(root + "/dir/file"), test::sample_text(5000));
      EXPECT_EQ(std::filesystem::read_symlink(root + "/link"), std::string(150, 't'));
      continue;
    }
    expect_unpacked(root);
  }
}

TEST_F(TarToolsTest, OthersSeeTheSameMetadata) {
  write_file_atomically(path("a.tar"), write_archive(demanding()));
  const std::string script =
      "import sys,tarfile\n"
      "for m in tarfile.open(sys.argv[1]):\n"
      "  print(m.name, m.type.decode(), oct(m.mode), m.uid, m.gid, m.size, m.linkname, m.devmajor, m.devminor, "
      "m.mtime)\n";
  const std::string seen = run({"python3", "-X", "utf8", "-c", script, path("a.tar")});
  EXPECT_NE(seen.find("owner 0 0o644 3000000000 0 1  0 0 1577836800"), std::string::npos) << seen;
  EXPECT_NE(seen.find("null 3 0o644 0 0 0  1 3 1577836800"), std::string::npos) << seen;
  EXPECT_NE(seen.find("time 0 0o644 0 0 1  0 0 1577836800.1234567"), std::string::npos) << seen;
  const std::string gnu = run({"tar", "--numeric-owner", "-tvf", path("a.tar")});
  EXPECT_NE(gnu.find("3000000000/0"), std::string::npos) << gnu;
  EXPECT_NE(gnu.find("hard link to dir/file"), std::string::npos) << gnu;
  EXPECT_EQ(std::count(gnu.begin(), gnu.end(), '\n'), static_cast<std::ptrdiff_t>(demanding().size()));
}

TEST_F(TarToolsTest, OthersSeeExtendedAttributes) {
  Archive archive = {{make_entry("f", Type::file), ""}};
  archive[0].entry.xattrs["user.note"] = std::string("a\0b\n", 4);
  write_file_atomically(path("a.tar"), write_archive(archive));
  const std::string script =
      "import sys,tarfile\n"
      "print([ascii(m.pax_headers) for m in tarfile.open(sys.argv[1])])\n";
  EXPECT_NE(run({"python3", "-c", script, path("a.tar")}).find("SCHILY.xattr.user.note"), std::string::npos);
  EXPECT_NE(run({"tar", "--xattrs", "-tvvf", path("a.tar")}).find("user.note"), std::string::npos);
}

std::vector<std::string> python_packer(const std::string& format) {
  return {"python3", "-c",
          "import sys,tarfile\n"
          "with tarfile.open(sys.argv[1], 'w', format=tarfile." +
              format + ") as out: out.add(sys.argv[3], '.')"};
}

TEST_F(TarToolsTest, WeReadTheirs) {
  const std::string root = path("root");
  std::filesystem::create_directories(root + "/dir/" + std::string(150, 'l'));
  const std::string long_name = "dir/" + std::string(150, 'l') + "/" + std::string(120, 'n');
  write_file_atomically(root + "/" + long_name, test::sample_text(70'000));
  std::filesystem::create_symlink(std::string(150, 't'), root + "/link");
  std::filesystem::create_hard_link(root + "/" + long_name, root + "/zz-hard");
  const std::vector<std::vector<std::string>> packers = {
      {"tar", "--format=gnu", "--sort=name", "-cf"},
      {"tar", "--format=posix", "--sort=name", "-cf"},
      {"bsdtar", "--format=pax", "-cf"},
      {"bsdtar", "--format=gnutar", "-cf"},
      python_packer("PAX_FORMAT"),
      python_packer("GNU_FORMAT"),
  };
  for (auto argv : packers) {
    argv.insert(argv.end(), {path("b.tar"), "-C", root});
    if (argv[0] != "python3") {
      argv.emplace_back(".");
    }
    run(argv);
    SCOPED_TRACE(argv[0] + " " + argv[1]);
    const Archive archive = read_archive(slurp(path("b.tar")));
    ASSERT_EQ(archive.size(), 6U);
    EXPECT_EQ(archive[0].entry.path, "");
    const auto find = [&](const std::string& name) {
      const auto found =
          std::find_if(archive.begin(), archive.end(), [&](const auto& member) { return member.entry.path == name; });
      EXPECT_NE(found, archive.end()) << name;
      return found == archive.end() ? archive[0] : *found;
    };
    EXPECT_EQ(find("link").entry.link, std::string(150, 't'));
    const test::Member first = find(long_name);
    const test::Member second = find("zz-hard");
    EXPECT_TRUE(first.content + second.content == test::sample_text(70'000));
    EXPECT_EQ(first.entry.link + second.entry.link, first.content.empty() ? "zz-hard" : long_name);
    EXPECT_EQ(first.entry.uid, getuid());
  }
}

TEST_F(TarToolsTest, WeReadSparseFilesOfGnuTar) {
  std::string content(3 << 20, '\0');
  {
    const UniqueFd file = open_file(path("sparse"), O_WRONLY | O_CREAT);
    for (std::size_t at = 100; at < content.size(); at += 97'000) {
      content.replace(at, 10, "0123456789");
      ASSERT_EQ(pwrite(file.get(), "0123456789", 10, static_cast<off_t>(at)), 10);
    }
    ASSERT_EQ(ftruncate(file.get(), static_cast<off_t>(content.size())), 0);
  }
  for (const std::string& format : {std::string("--format=gnu"), std::string("--sparse-version=0.0"),
                                    std::string("--sparse-version=0.1"), std::string("--sparse-version=1.0")}) {
    std::vector<std::string> argv = {"tar",         "-S", "--hole-detection=raw", format,  "-cf",
                                     path("s.tar"), "-C", directory_.path(),      "sparse"};
    if (format != "--format=gnu") {
      argv.insert(argv.begin() + 1, "--format=posix");
    }
    run(argv);
    const std::string bytes = slurp(path("s.tar"));
    EXPECT_LT(bytes.size(), content.size() / 2) << format;
    const Archive archive = read_archive(bytes);
    ASSERT_EQ(archive.size(), 1U);
    EXPECT_EQ(archive[0].entry.path, "sparse");
    EXPECT_TRUE(archive[0].content == content) << format;
  }
}

}  // namespace
}  // namespace dlc::codec
