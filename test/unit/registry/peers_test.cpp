// What we write must be read by others: skopeo, where it is installed.
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process.h"
#include "codec/tar.h"
#include "registry/export.h"
#include "registry/layout.h"
#include "unit/registry/memory_source.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::MemoryImageSource;
using ::dlc::testing::TestImage;

std::string layer_tar(const std::string& name) {
  codec::StringSink sink;
  codec::TarWriter tar(sink);
  codec::TarEntry entry;
  entry.path = name;
  entry.mode = 0644;
  tar.begin(entry);
  tar.finish();
  return sink.take();
}

class PeersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!find_program("skopeo")) {
      GTEST_SKIP() << "skopeo is not installed";
    }
  }
  void copy(const std::string& from, const std::string& to) {
    const auto result = run_command({"skopeo", "--insecure-policy", "copy", "-q", from, to});
    ASSERT_EQ(result.status, 0) << from << ": " << result.error;
  }
  /// Of the image "x" in a layout: skopeo packs layers anew, so its manifest is another one.
  std::vector<oci::Digest> diff_ids(const std::string& layout) {
    return read_image(*open_layout({at(layout), "x", {}}), image_.config.platform).config.diff_ids;
  }
  std::string at(const std::string& name) { return (directory_.path() / name).string(); }

  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "dlc-test-"};
  TestImage image_{{layer_tar("one"), layer_tar("two")}};
  MemoryImageSource source_{image_};
};

TEST_F(PeersTest, SkopeoReadsOurLayout) {
  const ExportedImage exported{&source_, {"docker.io/library/app:1"}};
  write_layout(at("layout"), {&exported, 1});
  copy("oci:" + at("layout") + ":1", "oci:" + at("copy") + ":x");
  EXPECT_EQ(diff_ids("copy"), image_.config.diff_ids);
}

TEST_F(PeersTest, SkopeoReadsOurArchiveAsBothKinds) {
  const ExportedImage exported{&source_, {"docker.io/library/app:1"}};
  write_archive_file(at("image.tar"), {&exported, 1});
  copy("oci-archive:" + at("image.tar"), "oci:" + at("a") + ":x");
  copy("docker-archive:" + at("image.tar") + ":app:1", "oci:" + at("b") + ":x");
  EXPECT_EQ(diff_ids("a"), image_.config.diff_ids);
  EXPECT_EQ(diff_ids("b"), image_.config.diff_ids);
}

TEST_F(PeersTest, WeReadSkopeosArchives) {
  const ExportedImage exported{&source_, {"docker.io/library/app:1"}};
  write_layout(at("layout"), {&exported, 1});
  for (const std::string kind : {"docker-archive", "oci-archive"}) {
    copy("oci:" + at("layout") + ":1", kind + ":" + at(kind) + ":app:2");
    const auto images = open_images(at(kind), directory_.path());
    ASSERT_EQ(images.size(), 1U) << kind;
    EXPECT_EQ(read_image(*images[0].source, image_.config.platform).config.diff_ids, image_.config.diff_ids) << kind;
    EXPECT_TRUE(images[0].names.at(0).ends_with("app:2")) << images[0].names.at(0);
  }
}

}  // namespace
}  // namespace dlc::registry
