#include "contents/elf.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "contents/loader.h"
#include "support/sample_image.h"

namespace dlc::contents {
namespace {

using test::SampleElf;
using test::SampleImage;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::optional<Elf> parse(const std::string& bytes) {
  return parse_elf([&](std::uint64_t offset, std::uint64_t size) {
    return offset < bytes.size() ? bytes.substr(offset, size) : std::string();
  });
}

TEST(Elf, ReadsTheDynamicSection) {
  SampleElf sample;
  sample.needed = {"liba.so.1", "libb.so"};
  sample.soname = "libx.so.3";
  sample.runpath = "$ORIGIN/../lib";
  sample.interpreter = "/lib64/ld-linux-x86-64.so.2";
  const auto elf = parse(sample.bytes());
  ASSERT_TRUE(elf);
  EXPECT_THAT(elf->needed, ElementsAre("liba.so.1", "libb.so"));
  EXPECT_EQ(elf->soname, "libx.so.3");
  EXPECT_EQ(elf->runpath, "$ORIGIN/../lib");
  EXPECT_EQ(elf->interpreter, sample.interpreter);
  EXPECT_EQ(architecture_of(*elf), "amd64");
}

TEST(Elf, ReadsThisTestItself) {
  const auto elf = parse(read_file("/proc/self/exe"));
  ASSERT_TRUE(elf);
  EXPECT_THAT(elf->needed, ::testing::Contains("libc.so.6"));
  EXPECT_FALSE(elf->interpreter.empty());
}

TEST(Elf, DamageNeverReadsOutside) {
  SampleElf sample;
  sample.needed = {"liba.so.1"};
  sample.soname = "libx.so.3";
  const auto whole = sample.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    (void)parse(whole.substr(0, size));
  }
  for (std::size_t at = 4; at < whole.size(); ++at) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      auto broken = whole;
      broken[at] = value;
      (void)parse(broken);
    }
  }
  EXPECT_FALSE(
      parse("\x7f"
            "ELF"));
  EXPECT_FALSE(parse(std::string(100, 'x')));
}

struct LoaderCase {
  SampleImage image;
  std::vector<std::string> env;
  Loader::Missing missing() {
    const auto tree = image.tree();
    const auto files = find_elf_files(tree);
    return Loader(tree, files, env).missing();
  }
};

SampleElf needing(std::vector<std::string> names) {
  SampleElf elf;
  elf.needed = std::move(names);
  return elf;
}

TEST(Loader, LooksInDefaultAndConfiguredDirectories) {
  LoaderCase c;
  c.image.file("bin/p", needing({"liba.so", "libb.so", "libc.so", "libcuda.so.1"}).bytes());
  c.image.file("usr/lib/liba.so", SampleElf().bytes());
  c.image.file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
  c.image.file("etc/ld.so.conf.d/x.conf", "# comment\n/opt/b\n");
  c.image.file("opt/b/libb.so", SampleElf().bytes());
  c.image.file("elsewhere/libc.so", SampleElf().bytes());
  EXPECT_EQ(c.missing(), (Loader::Missing{{"bin/p", {"libc.so"}}}));
  c.env = {"LD_LIBRARY_PATH=/elsewhere"};
  EXPECT_THAT(c.missing(), IsEmpty());
}

TEST(Loader, RunpathWithOriginThroughLinks) {
  LoaderCase c;
  auto program = needing({"liba.so"});
  program.runpath = "${ORIGIN}/../private";
  c.image.file("opt/x/bin/p", program.bytes());
  c.image.link("opt/x/private", "real");
  c.image.file("opt/x/real/liba.so", SampleElf().bytes());
  c.image.directory("opt/x/real");
  c.image.directory("opt/x/bin");
  c.image.directory("opt/x");
  c.image.directory("opt");
  EXPECT_THAT(c.missing(), IsEmpty());
}

TEST(Loader, AnotherMachinesLibraryDoesNotCount) {
  LoaderCase c;
  c.image.file("bin/p", needing({"liba.so"}).bytes());
  SampleElf other;
  other.machine = 183;
  c.image.file("usr/lib/liba.so", other.bytes());
  EXPECT_EQ(c.missing().size(), 1U);
}

TEST(Loader, ALibraryMayRelyOnTheRpathOfAllItsUsers) {
  LoaderCase c;
  auto program = needing({"liba.so"});
  program.rpath = "/opt/l";
  c.image.file("bin/p", program.bytes());
  c.image.file("opt/l/liba.so", needing({"libb.so"}).bytes());
  c.image.file("opt/l/libb.so", SampleElf().bytes());
  c.image.directory("opt/l");
  c.image.directory("opt");
  EXPECT_THAT(c.missing(), IsEmpty());
  auto other = needing({"liba.so"});
  other.runpath = "/opt/l";  // DT_RUNPATH is not handed on
  c.image.file("bin/q", other.bytes());
  EXPECT_EQ(c.missing(), (Loader::Missing{{"opt/l/liba.so", {"libb.so"}}}));
}

TEST(Loader, TheRpathOfAModuleServesAllThatComesWithIt) {
  // As in a wheel: the module has DT_RPATH, the libraries that it brings have none.
  LoaderCase c;
  auto module = needing({"liba.so"});
  module.rpath = "$ORIGIN/../x.libs";
  c.image.file("s/x/module.so", module.bytes());
  c.image.file("s/x.libs/liba.so", needing({"libb.so"}).bytes());
  c.image.file("s/x.libs/libb.so", needing({"libc-1.so"}).bytes());
  c.image.file("s/x.libs/libc-1.so", SampleElf().bytes());
  EXPECT_THAT(c.missing(), IsEmpty());
}

TEST(Loader, LibrariesThatNeedEachOtherAreCheckedToo) {
  LoaderCase c;
  c.image.file("usr/lib/liba.so", needing({"libb.so"}).bytes());
  c.image.file("usr/lib/libb.so", needing({"liba.so", "libgone.so"}).bytes());
  EXPECT_EQ(c.missing(), (Loader::Missing{{"usr/lib/libb.so", {"libgone.so"}}}));
}

}  // namespace
}  // namespace dlc::contents
