#include "contents/packages.h"

#include <gmock/gmock.h>

#include <tuple>

#include "contents/bytecode.h"
#include "contents/python_requirement.h"
#include "contents/python_version.h"
#include "contents/sbom.h"
#include "support/sample_image.h"

namespace dlc::contents {
namespace {

using test::SampleImage;
using ::testing::ElementsAre;

TEST(DebianPackages, ReadsStatusAndCopyright) {
  SampleImage image;
  image.directory("var/lib/dpkg/info");
  image.file("var/lib/dpkg/status",
             "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2-3\nSource: src (9)\n"
             "Description: x\n more\n\n"
             "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
             "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 2\n");
  image.directory("var");
  image.directory("var/lib");
  image.directory("var/lib/dpkg");
  for (const char* path : {"usr", "usr/share", "usr/share/doc", "usr/share/doc/b"}) {
    image.directory(path);
  }
  image.file("usr/share/doc/b/copyright", "Format: https://x\nLicense: GPL-2+ or MIT\n\nLicense: GPL-2+\n text\n");
  const auto packages = debian_packages(image.tree());
  ASSERT_EQ(packages.size(), 2U);
  EXPECT_EQ(packages[0].name, "a");
  EXPECT_EQ(packages[0].source, "a");
  EXPECT_FALSE(packages[0].has_copyright);
  EXPECT_EQ(packages[1].source, "src");
  EXPECT_EQ(packages[1].source_version, "9");
  EXPECT_THAT(packages[1].licenses, ElementsAre("GPL-2+", "MIT"));
}

TEST(PythonPackages, ReadsMetadataAndRecord) {
  SampleImage image;
  for (const char* path : {"s", "s/site-packages", "s/site-packages/Foo_Bar-1.0.dist-info"}) {
    image.directory(path);
  }
  image.file("s/site-packages/Foo_Bar-1.0.dist-info/METADATA",
             "Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0\nRequires-Dist: x (>=1)\nRequires-Dist: y; extra == "
             "'z'\nClassifier: License :: OSI Approved :: MIT License\n\nName: body\n");
  image.file("s/site-packages/Foo_Bar-1.0.dist-info/RECORD",
             "foo/__init__.py,sha256=x,1\n\"foo/a,\"\"b.py\",,\n../../bin/foo,,\n");
  image.file("s/site-packages/Foo_Bar-1.0.dist-info/LICENSE", "MIT");
  const auto packages = python_packages(image.tree());
  ASSERT_EQ(packages.size(), 1U);
  EXPECT_EQ(normalized_name(packages[0].name), "foo-bar");
  EXPECT_EQ(packages[0].license, "MIT License");
  EXPECT_THAT(packages[0].requires_dist, ElementsAre("x (>=1)", "y; extra == 'z'"));
  EXPECT_THAT(packages[0].files,
              ElementsAre("s/site-packages/foo/__init__.py", "s/site-packages/foo/a,\"b.py", "bin/foo"));
  EXPECT_THAT(packages[0].license_files, ElementsAre("s/site-packages/Foo_Bar-1.0.dist-info/LICENSE"));
}

TEST(Sbom, SpdxHasTheTimeInUtcAndWholeSeconds) {
  const auto created_of = [](const std::string& created) {
    SbomSubject subject;
    subject.name = "a:1";
    subject.digest = "sha256:" + std::string(64, 'a');
    subject.created = created;
    const auto text = to_spdx(subject, "dlc-1");
    const auto at = text.find("\"created\": \"") + 12;
    return text.substr(at, text.find('"', at) - at);
  };
  EXPECT_EQ(created_of("2026-11-29T21:45:41Z"), "2026-11-29T21:45:41Z");
  EXPECT_EQ(created_of("2026-11-29T21:45:41.497270198Z"), "2026-11-29T21:45:41Z");
  EXPECT_EQ(created_of("2026-11-29T21:45:41+02:00"), "2026-11-29T19:45:41Z");
  EXPECT_EQ(created_of(""), "1970-01-01T00:00:00Z");
  EXPECT_EQ(created_of("yesterday"), "1970-01-01T00:00:00Z");
}

TEST(Sbom, TheDistributionIsReadWithItsQuotes) {
  SampleImage image;
  image.file("etc/os-release", "ID='debian'\nVERSION_ID=\"12\"\n");
  image.file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n");
  const auto tree = image.tree();
  const auto subject = read_sbom(tree, "a:1", "sha256:" + std::string(64, 'a'), "", "amd64");
  EXPECT_EQ(subject.distribution, "debian-12");
  EXPECT_NE(to_cyclonedx(subject, "dlc-1").find("pkg:deb/debian/a@1?arch=amd64&distro=debian-12"), std::string::npos);
}

TEST(Packages, AreFoundInLayersWithoutDirectoryEntries) {
  SampleImage image;
  image.without_parents('f', "opt/v/lib/python3.11/site-packages/One-1.0.dist-info/METADATA",
                        "Name: One\nVersion: 1.0\nLicense: MIT\n");
  image.without_parents('f', "opt/v/lib/python3.11/site-packages/two.egg-info/PKG-INFO", "Name: two\nVersion: 2\n");
  image.without_parents('f', "var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\nArchitecture: all\n");
  const auto tree = image.tree();
  const auto python = python_packages(tree);
  ASSERT_EQ(python.size(), 2U);
  EXPECT_EQ(python[0].name, "One");
  EXPECT_EQ(python[1].name, "two");
  ASSERT_EQ(debian_packages(tree).size(), 1U);
  EXPECT_EQ(debian_packages(tree)[0].name, "base-files");
}

TEST(PythonVersion, OrdersAsTheSpecificationSays) {
  const char* const sorted[] = {"1.dev0",
                                "1.0.dev456",
                                "1.0a1",
                                "1.0a2.dev456",
                                "1.0a12.dev456",
                                "1.0a12",
                                "1.0b1.dev456",
                                "1.0b2",
                                "1.0b2.post345.dev456",
                                "1.0b2.post345",
                                "1.0rc1.dev456",
                                "1.0rc1",
                                "1.0",
                                "1.0+abc.5",
                                "1.0+abc.7",
                                "1.0+5",
                                "1.0.post456.dev34",
                                "1.0.post456",
                                "1.0.15",
                                "1.1.dev1",
                                "2!0.1"};
  for (std::size_t i = 1; i < std::size(sorted); ++i) {
    const auto a = PythonVersion::parse(sorted[i - 1]);
    const auto b = PythonVersion::parse(sorted[i]);
    ASSERT_TRUE(a && b) << sorted[i];
    EXPECT_TRUE(a->compare(*b) < 0) << sorted[i - 1] << " < " << sorted[i];
  }
  EXPECT_FALSE(PythonVersion::parse("2004d"));
  EXPECT_TRUE(PythonVersion::parse("1.0-alpha_1")->compare(*PythonVersion::parse("v1.0a1")) == 0);
}

TEST(PythonVersion, Specifiers) {
  EXPECT_TRUE(allows(">=1.0,<2", "1.5"));
  EXPECT_FALSE(allows(">=1.0,<2", "2.0rc1"));
  EXPECT_TRUE(allows("~=1.4.2", "1.4.9"));
  EXPECT_FALSE(allows("~=1.4.2", "1.5"));
  EXPECT_TRUE(allows("==1.1.*", "1.1.post1"));
  EXPECT_FALSE(allows("!=1.1.*", "1.1.7"));
  EXPECT_TRUE(allows("==1.0", "1.0+cpu"));
  EXPECT_FALSE(allows("==1.0+gpu", "1.0+cpu"));
  EXPECT_FALSE(allows(">1.0", "1.0.post1"));
  EXPECT_FALSE(allows(">1.0", "1.0+local"));
  EXPECT_TRUE(allows("===weird", "weird"));
  EXPECT_TRUE(allows("===1.5", "v1.5"));
  EXPECT_FALSE(allows("===v1.5", "v1.5"));
  EXPECT_FALSE(allows("===1.5", "1.5.0"));
  EXPECT_TRUE(allows("===1.0.post1", "1.0-1"));
  EXPECT_TRUE(allows("===1!2.0rc1.dev2+ubuntu.1", "1!2.0-c1.dev2+Ubuntu-01"));
  EXPECT_TRUE(allows("", "anything"));
  EXPECT_FALSE(allows(">=x", "1"));
}

TEST(PythonVersion, StrictOrderLeavesOutOnlyWhatBelongsToTheVersionItself) {
  // As packaging 26.4 says, and so pip check.
  const std::vector<std::tuple<const char*, const char*, bool>> cases{
      {">1.0.dev3", "1.0.post1", true},
      {">1.0.dev3", "1.0", true},
      {">1.0.dev3", "1.0+l", true},
      {">1.0.dev3", "1.0.dev3+l", false},
      {">1.0.dev3", "1.0.dev4+l", true},
      {">1.0", "1.0.post1.dev1", false},
      {">1.0a1", "1.0.post1", true},
      {">1.0a1", "1.0a1.post1", false},
      {">1.0a1", "1.0a1.post1.dev2", false},
      {">1.0a1", "1.0a1+l", false},
      {">1.0a1", "1.0a2+l", true},
      {">1.0.post1", "1.0.post1+l", false},
      {">1.0.post1", "1.0.post2", true},
      {">1.0.post1", "1.0.post2+l", true},
      {">1.0.post1.dev1", "1.0.post1", true},
      {"<1.0", "1.0.dev1", false},
      {"<1.0", "1.0a1", false},
      {"<1.0.post1", "1.0.post1.dev1", false},
      {"<1.0.post1", "1.0a1", true},
      {"<1.0.post1", "1.0", true},
      {"<1.0rc1", "1.0rc1.dev1", true},
      {"<1.0.dev3", "1.0.dev2", true},
  };
  for (const auto& [specifier, version, expected] : cases) {
    EXPECT_EQ(allows(specifier, version), expected) << specifier << " " << version;
  }
}

TEST(PythonRequirement, ParsesNamesExtrasAndMarkers) {
  const auto r = parse_requirement("Foo_Bar[a, B] (>=1,<2) ; python_version < '3'");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->name, "foo-bar");
  EXPECT_THAT(r->extras, ElementsAre("a", "b"));
  EXPECT_EQ(r->specifiers, ">=1,<2");
  EXPECT_EQ(r->marker, "python_version < '3'");
  EXPECT_EQ(parse_requirement("x @ https://h/x.whl")->url, "https://h/x.whl");
  EXPECT_FALSE(parse_requirement("[x]"));
  EXPECT_FALSE(parse_requirement("x y"));
}

TEST(PythonRequirement, EvaluatesMarkers) {
  const auto environment = linux_cpython("3.11", "amd64");
  const auto holds = [&](const char* marker) { return evaluate_marker(marker, environment); };
  EXPECT_EQ(holds("python_version >= '3.8'"), true);
  EXPECT_EQ(holds("python_version < '3.8' or (sys_platform == 'linux' and platform_machine != 'arm64')"), true);
  EXPECT_EQ(holds("extra == 'test'"), false);
  EXPECT_EQ(holds("'linux' in sys_platform and os_name not in 'nt,java'"), true);
  EXPECT_EQ(holds("python_version == '3.*'"), true);
  EXPECT_EQ(holds("unknown == 'x'"), std::nullopt);
  EXPECT_EQ(holds("python_version >="), std::nullopt);
  EXPECT_EQ(holds(std::string(500, '(').c_str()), std::nullopt);
}

TEST(Bytecode, HashesAsImportlibDoes) {
  // importlib.util.source_hash(b"x = 1\n") of Python 3.11, little endian; and the reference vector of SipHash-2-4.
  EXPECT_EQ(
      siphash(std::string("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 15), 0x0706050403020100U, 0x0f0e0d0c0b0a0908U, 2, 4),
      0xa129ca6149be45e5U);
  EXPECT_EQ(source_hash("x = 1\n", 3495), 0x5252f793aa72034cU);
}

TEST(Bytecode, NamesItsSource) {
  EXPECT_EQ(source_of_bytecode("a/__pycache__/b.cpython-311.pyc"), "a/b.py");
  EXPECT_EQ(source_of_bytecode("a/__pycache__/b.cpython-311.opt-2.pyc"), "a/b.py");
  EXPECT_EQ(source_of_bytecode("a/b.pyc"), "");
}

}  // namespace
}  // namespace dlc::contents
