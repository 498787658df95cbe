#include "registry/pull.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/files.h"
#include "unit/registry/memory_source.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::MemoryImageSource;
using ::dlc::testing::TestImage;

/// Counts what is fetched, and can spoil one blob.
class CountingSource : public MemoryImageSource {
 public:
  using MemoryImageSource::MemoryImageSource;
  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    ++fetched;
    if (descriptor.digest == spoiled) {
      out.write(codec::bytes_of("something else"));
      return;
    }
    if (descriptor.digest == unreachable) {
      throw Error(ErrorKind::network, "the connection broke off");
    }
    MemoryImageSource::copy_blob(descriptor, out);
  }
  std::atomic<int> fetched = 0;
  oci::Digest spoiled;
  oci::Digest unreachable;
};

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    options_.platform = {"linux", "amd64", ""};
    for (int i = 0; i < 12; ++i) {
      layers_.push_back("layer " + std::to_string(i));
    }
  }
  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "dlc-test-"};
  std::unique_ptr<store::Store> store_ = store::Store::open(directory_.path() / "store");
  EventBus bus_;
  PullOptions options_;
  std::vector<std::string> layers_;
};

TEST_F(PullTest, EverythingIsInTheStoreAfterwards) {
  const TestImage image(layers_);
  CountingSource source(image);
  const auto pulled = pull_image(source, *store_, options_, bus_);
  EXPECT_EQ(pulled.descriptor.digest, image.root.digest);
  EXPECT_EQ(pulled.config.diff_ids, image.config.diff_ids);
  for (const auto& [digest, text] : image.blobs) {
    EXPECT_EQ(store_->blobs().read(digest), text);
  }
  const int before = source.fetched;
  EXPECT_EQ(pull_image(source, *store_, options_, bus_).fetched, 0U);
  EXPECT_EQ(source.fetched, before + 1);  // the config
}

TEST_F(PullTest, LayersCanWait) {
  const TestImage image(layers_);
  CountingSource source(image);
  options_.layers = false;
  const auto pulled = pull_image(source, *store_, options_, bus_);
  EXPECT_TRUE(store_->blobs().contains(pulled.descriptor.digest));
  EXPECT_FALSE(store_->blobs().contains(pulled.manifest.layers[3].digest));
  EXPECT_TRUE(ensure_layer_blob(source, *store_, pulled.manifest.layers[3], 0, bus_));
  EXPECT_FALSE(ensure_layer_blob(source, *store_, pulled.manifest.layers[3], 0, bus_));
  EXPECT_EQ(store_->blobs().read(pulled.manifest.layers[3].digest), "layer 3");
}

TEST_F(PullTest, DamagedLayersAreNotKept) {
  const TestImage image(layers_);
  CountingSource source(image);
  source.spoiled = image.manifest.layers[5].digest;
  try {
    (void)pull_image(source, *store_, options_, bus_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  }
  EXPECT_FALSE(store_->blobs().contains(source.spoiled));
  EXPECT_FALSE(store_->blobs().contains(image.root.digest));
  source.spoiled = {};
  EXPECT_NO_THROW((void)pull_image(source, *store_, options_, bus_));
}

TEST_F(PullTest, TheFirstErrorIsTheOneReported) {
  const TestImage image(layers_);
  CountingSource source(image);
  source.unreachable = image.manifest.layers[0].digest;
  try {
    (void)pull_image(source, *store_, options_, bus_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::network);
    EXPECT_NE(std::string(error.what()).find(source.unreachable.str()), std::string::npos);
  }
}

TEST_F(PullTest, EqualLayersAreFetchedOnce) {
  const TestImage image({"same", "same", "same"});
  CountingSource source(image);
  (void)pull_image(source, *store_, options_, bus_);
  EXPECT_EQ(source.fetched, 2);  // the layer and the config
}

TEST_F(PullTest, TwoPullsAtOnceFetchALayerOnce) {
  const TestImage image(layers_);
  CountingSource source(image);
  {
    std::jthread other([&] { (void)pull_image(source, *store_, options_, bus_); });
    (void)pull_image(source, *store_, options_, bus_);
  }
  EXPECT_EQ(source.fetched, 12 + 2);
}

TEST_F(PullTest, CanBeInterrupted) {
  const TestImage image(layers_);
  CountingSource source(image);
  std::stop_source stop;
  stop.request_stop();
  options_.stop = stop.get_token();
  try {
    (void)pull_image(source, *store_, options_, bus_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

TEST_F(PullTest, TheStoreIsASourceToo) {
  const TestImage image(layers_);
  CountingSource source(image);
  (void)pull_image(source, *store_, options_, bus_);
  const auto stored = store_source(*store_, image.root.digest);
  const auto documents = read_image(*stored, options_.platform);
  EXPECT_EQ(documents.descriptor.digest, image.root.digest);
  EXPECT_EQ(read_blob(*stored, image.manifest.layers[7]), "layer 7");
}

}  // namespace
}  // namespace dlc::registry
