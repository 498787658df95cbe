#include "registry/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "codec/compression.h"
#include "codec/tar.h"
#include "registry/export.h"
#include "unit/registry/memory_source.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::describe;
using ::dlc::testing::MemoryImageSource;
using ::dlc::testing::TestImage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LayoutTest : public ::testing::Test {
 protected:
  ErrorKind kind_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      last_ = error.what() + std::string(" / ") + error.hint();
      return error.kind();
    }
    return ErrorKind::internal;
  }
  [[nodiscard]] std::string content(ImageSource& source, const oci::Descriptor& descriptor) {
    return read_blob(source, descriptor);
  }
  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "dlc-test-"};
  std::filesystem::path path_ = directory_.path() / "image";
  TestImage image_{{"layer one", "layer two"}};
  MemoryImageSource source_{image_};
  std::string last_;
};

TEST_F(LayoutTest, WhatIsWrittenIsRead) {
  const ExportedImage exported{&source_, {"docker.io/library/app:1"}};
  write_layout(path_, {&exported, 1});
  const auto source = open_layout({path_, "1", {}});
  const auto documents = read_image(*source, image_.config.platform);
  EXPECT_EQ(documents.descriptor.digest, image_.root.digest);
  EXPECT_EQ(content(*source, image_.manifest.layers[1]), "layer two");
  const auto images = open_images(path_, directory_.path());
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].names, ElementsAre("docker.io/library/app:1", "1"));
}

TEST_F(LayoutTest, ImagesAreFoundByTagAndDigest) {
  TestImage other({"third"});
  MemoryImageSource other_source(other);
  const ExportedImage first{&source_, {"docker.io/library/app:1"}};
  const ExportedImage second{&other_source, {"docker.io/library/app:2"}};
  write_layout(path_, {&first, 1});
  EXPECT_EQ(open_layout({path_, "", {}})->resolve().digest, image_.root.digest);  // the only one
  write_layout(path_, {&second, 1});
  EXPECT_EQ(open_layout({path_, "1", {}})->resolve().digest, image_.root.digest);
  EXPECT_EQ(open_layout({path_, "2", {}})->resolve().digest, other.root.digest);
  EXPECT_EQ(open_layout({path_, "", other.root.digest})->resolve().digest, other.root.digest);
  EXPECT_EQ(kind_of([&] { (void)open_layout({path_, "3", {}}); }), ErrorKind::not_found);
  EXPECT_THAT(last_, HasSubstr("it has 1, 2"));
  EXPECT_EQ(kind_of([&] { (void)open_layout({path_, "", {}}); }), ErrorKind::not_found);
  const ExportedImage moved{&other_source, {"docker.io/library/app:1"}};
  write_layout(path_, {&moved, 1});
  EXPECT_EQ(open_layout({path_, "1", {}})->resolve().digest, other.root.digest);
  EXPECT_EQ(open_images(path_, directory_.path()).size(), 2U);
}

TEST_F(LayoutTest, PlatformsAreChosen) {
  MemoryImageSource index({TestImage({"amd"}, "amd64"), TestImage({"arm"}, "arm64")});
  const ExportedImage exported{&index, {"docker.io/library/app:1"}};
  write_layout(path_, {&exported, 1});
  const auto source = open_layout({path_, "", {}});
  const auto documents = read_image(*source, {"linux", "arm64", "v8"});
  EXPECT_EQ(content(*source, documents.manifest.layers.at(0)), "arm");
  EXPECT_EQ(kind_of([&] { (void)read_image(*source, {"linux", "s390x", ""}); }), ErrorKind::not_found);
  EXPECT_THAT(last_, HasSubstr("linux/amd64, linux/arm64"));
}

TEST_F(LayoutTest, DamageIsFound) {
  const ExportedImage exported{&source_, {}};
  write_layout(path_, {&exported, 1});
  const auto& layer = image_.manifest.layers[0];
  const auto file = path_ / "blobs" / "sha256" / layer.digest.hex();
  std::ofstream(file) << "layer ONE";
  const auto source = open_layout({path_, "", {}});
  EXPECT_EQ(kind_of([&] { (void)content(*source, layer); }), ErrorKind::corrupt);
  std::ofstream(file) << "layer one and more";
  EXPECT_EQ(kind_of([&] { (void)content(*source, layer); }), ErrorKind::corrupt);
  std::ofstream(file) << "layer";
  EXPECT_EQ(kind_of([&] { (void)content(*source, layer); }), ErrorKind::corrupt);
  std::filesystem::remove(file);
  EXPECT_EQ(kind_of([&] { (void)content(*source, layer); }), ErrorKind::not_found);
  std::ofstream(path_ / "blobs" / "sha256" / image_.root.digest.hex()) << "{}";
  EXPECT_EQ(kind_of([&] { (void)read_image(*source, image_.config.platform); }), ErrorKind::corrupt);
}

TEST_F(LayoutTest, OtherDirectoriesAreRefused) {
  EXPECT_EQ(kind_of([&] { (void)open_layout({path_, "", {}}); }), ErrorKind::not_found);
  EXPECT_EQ(kind_of([&] { (void)open_layout({directory_.path(), "", {}}); }), ErrorKind::invalid);
  std::filesystem::create_directory(path_);
  std::ofstream(path_ / "oci-layout") << R"({"imageLayoutVersion":"2.0.0"})";
  EXPECT_EQ(kind_of([&] { (void)open_layout({path_, "", {}}); }), ErrorKind::unsupported);
}

TEST_F(LayoutTest, References) {
  EXPECT_EQ(parse_layout_reference("oci-layout:///x/y:1.2").tag, "1.2");
  EXPECT_EQ(parse_layout_reference("oci-layout:///x/y:1.2").directory, "/x/y");
  EXPECT_EQ(parse_layout_reference("/x:y/z").directory, "/x:y/z");
  EXPECT_EQ(parse_layout_reference("/x@" + image_.root.digest.str()).digest, image_.root.digest);
  std::filesystem::create_directory(directory_.path() / "a:b");
  EXPECT_EQ(parse_layout_reference((directory_.path() / "a:b").string()).tag, "");
  EXPECT_THROW((void)parse_layout_reference("/x@sha256:../.."), Error);
  EXPECT_THROW((void)parse_layout_reference("/x:a b"), Error);
  EXPECT_THROW((void)parse_layout_reference("oci-layout://"), Error);
}

TEST_F(LayoutTest, ArchivesAreBothKinds) {
  const ExportedImage exported{&source_, {"docker.io/library/app:1", "ghcr.io/x/app:2"}};
  const auto file = directory_.path() / "image.tar";
  write_archive_file(file, {&exported, 1});
  codec::StringSink again;
  write_archive(again, {&exported, 1});
  EXPECT_EQ(read_file(file), again.text());
  const auto images = open_images(file, directory_.path());
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images[1].names.at(0), "ghcr.io/x/app:2");
  EXPECT_EQ(read_image(*images[0].source, image_.config.platform).descriptor.digest, image_.root.digest);
  EXPECT_EQ(content(*images[0].source, image_.manifest.layers[0]), "layer one");
}

TEST_F(LayoutTest, AFailedExportLeavesNothing) {
  image_.blobs.erase(image_.manifest.layers[1].digest);
  MemoryImageSource incomplete(image_);
  const ExportedImage exported{&incomplete, {"docker.io/library/app:1"}};
  EXPECT_EQ(kind_of([&] { write_archive_file(directory_.path() / "image.tar", {&exported, 1}); }),
            ErrorKind::not_found);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  EXPECT_EQ(kind_of([&] { write_layout(path_, {&exported, 1}); }), ErrorKind::not_found);
  EXPECT_FALSE(std::filesystem::exists(path_ / "index.json"));
}

/// A docker-archive as `docker save` of version 20.10 writes it: the second layer is a link to the first one's file.
class DockerArchiveTest : public LayoutTest {
 protected:
  void put(codec::TarWriter& tar, const std::string& path, const std::string& text) {
    codec::TarEntry entry;
    entry.path = path;
    entry.mode = 0644;
    entry.size = text.size();
    tar.begin(entry);
    tar.data(codec::bytes_of(text));
  }
  std::string archive(const std::string& manifest) {
    codec::StringSink sink;
    codec::TarWriter tar(sink);
    put(tar, "aa/layer.tar", "layer one");
    codec::TarEntry link;
    link.path = "bb/layer.tar";
    link.type = codec::TarEntry::Type::symlink;
    link.link = "../aa/layer.tar";
    tar.begin(link);
    put(tar, "config.json", oci::to_json(twice_.config));
    put(tar, "manifest.json", manifest);
    tar.finish();
    return sink.take();
  }
  TestImage twice_{{"layer one", "layer one"}};
  std::filesystem::path file_ = directory_.path() / "saved.tar";
  const std::string manifest_ =
      R"([{"Config":"config.json","RepoTags":["app:1"],"Layers":["aa/layer.tar","bb/layer.tar"]}])";
};

TEST_F(DockerArchiveTest, IsRead) {
  std::ofstream(file_) << archive(manifest_);
  const auto images = open_images(file_, directory_.path());
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].names, ElementsAre("app:1"));
  const auto documents = read_image(*images[0].source, twice_.config.platform);
  EXPECT_EQ(documents.config.diff_ids, twice_.config.diff_ids);
  EXPECT_EQ(content(*images[0].source, documents.manifest.layers.at(1)), "layer one");
}

TEST_F(DockerArchiveTest, CompressedIsReadToo) {
  codec::StringSink out;
  const auto zip = codec::compress(out, {});
  zip->write(codec::bytes_of(archive(manifest_)));
  zip->finish();
  std::ofstream(file_) << out.text();
  {
    const auto images = open_images(file_, directory_.path());
    const auto documents = read_image(*images.at(0).source, twice_.config.platform);
    EXPECT_EQ(content(*images[0].source, documents.manifest.layers.at(0)), "layer one");
  }
  std::size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    left += entry.path() == file_ ? 0U : 1U;
  }
  EXPECT_EQ(left, 0U);
}

TEST_F(DockerArchiveTest, BrokenOnesAreRefused) {
  for (const auto* manifest :
       {"{}", "[7]", R"([{"Config":"missing.json"}])", R"([{"Config":"config.json","Layers":["../../etc/passwd"]}])",
        R"([{"Config":"config.json","Layers":"x"}])"}) {
    std::ofstream(file_) << archive(manifest);
    EXPECT_EQ(kind_of([&] { (void)open_images(file_, directory_.path()); }), ErrorKind::invalid) << manifest;
  }
  std::ofstream(file_) << "this is no tar";
  EXPECT_NE(kind_of([&] { (void)open_images(file_, directory_.path()); }), ErrorKind::internal);
}

}  // namespace
}  // namespace dlc::registry
