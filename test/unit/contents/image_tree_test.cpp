#include "contents/image_tree.h"

#include <gmock/gmock.h>

#include "support/sample_image.h"

namespace dlc::contents {
namespace {

using test::SampleImage;
using ::testing::ElementsAre;

TEST(CleanPath, DropsDotsAndStopsAtTheRoot) {
  EXPECT_EQ(clean_path("/a//b/./c/../d/"), "a/b/d");
  EXPECT_EQ(clean_path("../../x"), "x");
  EXPECT_EQ(clean_path(".."), "");
}

TEST(ImageTree, LaterLayersReplaceAndRemove) {
  SampleImage image;
  image.directory("");
  image.directory("a");
  image.file("a/kept", "1");
  image.file("a/replaced", "22");
  image.directory("a/gone");
  image.file("a/gone/deep", "333");
  image.directory("opaque");
  image.file("opaque/old", "4444");
  image.next_layer();
  image.file("a/.wh.gone", "");
  image.file("a/replaced", "new");
  image.file("opaque/new", "5");
  image.file("opaque/.wh..wh..opq", "");
  const auto tree = image.tree();
  std::vector<std::string> paths;
  for (const auto& [path, node] : tree.nodes()) {
    paths.push_back(path);
  }
  EXPECT_THAT(paths, ElementsAre("", "a", "a/kept", "a/replaced", "opaque", "opaque/new"));
  EXPECT_EQ(tree.read("a/replaced"), "new");
  std::map<std::string, std::uint64_t> lost;
  for (const auto& file : tree.lost()) {
    lost[file.path + (file.replaced ? " replaced" : "")] = file.bytes;
  }
  EXPECT_EQ(lost,
            (std::map<std::string, std::uint64_t>{{"a/gone/deep", 3}, {"a/replaced replaced", 2}, {"opaque/old", 4}}));
}

TEST(ImageTree, ADirectoryThatBecomesAFileLosesWhatWasInIt) {
  SampleImage image;
  image.directory("d");
  image.file("d/x", "abc");
  image.next_layer();
  image.file("d", "file");
  const auto tree = image.tree();
  EXPECT_EQ(tree.find("d/x"), nullptr);
  EXPECT_EQ(tree.read("d"), "file");
}

TEST(ImageTree, LinksAreFollowedInsideTheImage) {
  SampleImage image;
  image.link("lib", "usr/lib");
  image.directory("usr");
  image.directory("usr/lib");
  image.file("usr/lib/x", "text");
  image.link("usr/lib/abs", "/lib/x");
  image.link("usr/lib/up", "../../../../usr/lib/x");
  image.link("loop", "loop2");
  image.link("loop2", "loop");
  image.link("gone", "nowhere");
  const auto tree = image.tree();
  EXPECT_EQ(tree.resolve("/lib/abs"), "usr/lib/x");
  EXPECT_EQ(tree.resolve("lib/up"), "usr/lib/x");
  EXPECT_EQ(tree.resolve("loop"), std::nullopt);
  EXPECT_EQ(tree.resolve("gone"), std::nullopt);
  EXPECT_EQ(tree.read("lib/up"), "text");
  EXPECT_EQ(tree.file("lib"), nullptr);
}

TEST(ImageTree, AHardLinkIsTheFileItNames) {
  SampleImage image;
  image.file("a", "text", 04755);
  image.add('h', "b", "a");
  const auto tree = image.tree();
  ASSERT_NE(tree.find("b"), nullptr);
  EXPECT_EQ(tree.find("b")->entry.type, 'f');
  EXPECT_EQ(tree.find("b")->entry.mode, 04755U);
  EXPECT_EQ(tree.find("b")->entry.link, "a");
}

TEST(ImageTree, DirectoriesWithoutAnEntryAreThere) {
  SampleImage image;
  image.without_parents('f', "usr/lib/x", "text");
  image.without_parents('l', "usr/bin/y", "../lib/x");
  image.next_layer();
  image.without_parents('f', "usr/.wh.lib", "");
  image.without_parents('f', "usr/lib/deep/er/z", "text");
  const auto tree = image.tree();
  EXPECT_THAT(tree.list("usr"), ElementsAre("usr/bin", "usr/lib"));
  EXPECT_THAT(tree.list("usr/lib"), ElementsAre("usr/lib/deep"));
  ASSERT_NE(tree.find("usr/lib/deep/er"), nullptr);
  EXPECT_EQ(tree.find("usr/lib/deep/er")->entry.type, 'd');
  EXPECT_EQ(tree.find("usr/lib/deep/er")->entry.mode, 0755U);
  EXPECT_EQ(tree.resolve("usr/bin/../lib/deep/er/z"), "usr/lib/deep/er/z");
  EXPECT_EQ(tree.resolve("usr/bin/y"), std::nullopt);
}

TEST(ImageTree, ListsOneDirectory) {
  SampleImage image;
  image.directory("d");
  image.file("d/a", "");
  image.directory("d/b");
  image.file("d/b/inner", "");
  image.file("d/b-after", "");
  image.file("e", "");
  EXPECT_THAT(image.tree().list("d"), ElementsAre("d/a", "d/b", "d/b-after"));
}

}  // namespace
}  // namespace dlc::contents
