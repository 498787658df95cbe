#include "registry/referrers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/files.h"
#include "registry/export.h"
#include "registry/layout.h"
#include "registry/push.h"
#include "store/referrers.h"
#include "unit/net/fake_server.h"
#include "unit/registry/memory_source.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::answer;
using ::dlc::testing::describe;
using ::dlc::testing::FakeRequest;
using ::dlc::testing::FakeServer;
using ::dlc::testing::MemoryImageSource;
using ::dlc::testing::TestImage;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ReferrersTest : public ::testing::Test {
 protected:
  ReferrersTest() {
    MemoryImageSource source(image_);
    pull_.platform = {"linux", "amd64", ""};
    (void)pull_image(source, *store_, pull_, bus_);
    const std::array artifacts{oci::Artifact{"application/spdx+json", "a", "", "spdx"},
                               oci::Artifact{"application/vnd.cyclonedx+json", "b", "", "cyclonedx"}};
    attached_ = store::attach(*store_, image_.root, artifacts);
  }

  // --- a registry, with the referrers API or without

  std::string get(const std::string& target, bool body) {
    if (target.starts_with("/v2/a/b/referrers/")) {
      return api_ ? answer(200, oci::to_json(oci::Index{}), "Content-Type: " + std::string(oci::kIndexType) + "\r\n")
                  : answer(referrers_status_, "");
    }
    const auto name = target.substr(target.rfind('/') + 1);
    if (target.starts_with("/v2/a/b/blobs/")) {
      return answer(blobs_.contains(name) ? 200 : 404, "");
    }
    const auto found = manifests_.find(name);
    if (found == manifests_.end()) {
      return answer(404, "");
    }
    return answer(200, body ? found->second.body : "",
                  "Content-Type: " + found->second.header("content-type") +
                      "\r\nDocker-Content-Digest: " + codec::sha256(found->second.body).str() + "\r\n");
  }

  std::string put(const FakeRequest& request) {
    const auto name = request.target.substr(request.target.rfind('/') + 1);
    if (request.target.starts_with("/upload")) {
      blobs_["sha256:" + name.substr(name.size() - 64)] = request.body;
      return answer(201, "");
    }
    const bool index = request.header("content-type") == oci::kIndexType;
    const auto subject = index ? std::nullopt : oci::parse_manifest(request.body).subject;
    if (subject && refuses_) {
      return answer(400, R"({"errors":[{"code":"MANIFEST_INVALID","message":"no artifacts"}]})");
    }
    manifests_[name] = manifests_[codec::sha256(request.body).str()] = request;
    return answer(201, "", subject && api_ && header_ ? "OCI-Subject: " + subject->digest.str() + "\r\n" : "");
  }

  std::string handle(const FakeRequest& request) {
    if (request.target == "/v2/") {
      return answer(200, "{}");
    }
    if (request.method == "POST") {
      return answer(202, "", "Location: /upload?session=1\r\n");
    }
    return request.method == "PUT" ? put(request) : get(request.target, request.method == "GET");
  }

  Pushed push() {
    RegistryOptions options;
    options.docker_config = "/nonexistent";
    options.http.first_pause = std::chrono::milliseconds(1);
    RegistryClient client(options);
    return push_image(client, oci::parse_reference(server_.host() + "/a/b:1"), *store_, image_.root.digest,
                      push_options_, bus_);
  }
  Error failure() {
    try {
      push();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "it was pushed"};
  }
  [[nodiscard]] std::size_t requests_for(const std::string& part) const {
    const auto all = server_.requests();
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](const auto& one) { return one.target.find(part) != std::string::npos; }));
  }
  [[nodiscard]] std::vector<oci::Descriptor> listed() const {
    return oci::parse_index(manifests_.at(tag_).body).manifests;
  }

  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "dlc-test-"};
  std::unique_ptr<store::Store> store_ = store::Store::open(directory_.path() / "store");
  EventBus bus_;
  TestImage image_{{"first layer"}};
  std::string tag_ = oci::referrers_tag(image_.root.digest);
  PullOptions pull_;
  PushOptions push_options_;
  std::vector<oci::Descriptor> attached_;
  bool api_ = true, header_ = true, refuses_ = false;
  int referrers_status_ = 404;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, FakeRequest> manifests_;
  FakeServer server_{[this](const FakeRequest& request) { return handle(request); }};
};

TEST_F(ReferrersTest, ARegistryWithTheApiGetsTheManifestsAfterTheImage) {
  EXPECT_EQ(push().referrers, 2U);
  EXPECT_THAT(manifests_, SizeIs(4)) << "the image has a tag and a digest";
  for (const auto& entry : attached_) {
    EXPECT_EQ(codec::sha256(manifests_.at(entry.digest.str()).body), entry.digest);
  }
  EXPECT_EQ(blobs_.at(codec::sha256("spdx").str()), "spdx");
  EXPECT_EQ(blobs_.at(codec::sha256("{}").str()), "{}");
  EXPECT_EQ(requests_for(tag_), 0U);
  EXPECT_EQ(requests_for("/referrers/"), 0U);
  EXPECT_EQ(server_.requests().back().method, "PUT");
  EXPECT_EQ(push().sent, 0U);
  EXPECT_EQ(requests_for("/upload?"), 5U) << "the image's two blobs, two documents, an empty configuration, each once";
}

TEST_F(ReferrersTest, AnApiThatSendsNoHeaderIsAskedFor) {
  header_ = false;
  EXPECT_EQ(push().referrers, 2U);
  EXPECT_EQ(requests_for("/referrers/" + image_.root.digest.str()), 1U);
  EXPECT_FALSE(manifests_.contains(tag_));
}

TEST_F(ReferrersTest, WithoutTheApiThereIsAListUnderATag) {
  for (const int status : {404, 405, 501, 200}) {  // what is no index is no API either
    api_ = false;
    referrers_status_ = status;
    manifests_.clear();
    push();
    ASSERT_THAT(listed(), SizeIs(2)) << status;
    EXPECT_EQ(manifests_.at(tag_).header("content-type"), oci::kIndexType);
    EXPECT_EQ(manifests_.at("1").body, image_.blobs.at(image_.root.digest));
  }
  const auto entries = listed();
  for (const auto& entry : attached_) {
    const auto found = std::ranges::find_if(entries, [&](const auto& one) { return one.digest == entry.digest; });
    ASSERT_NE(found, entries.end());
    EXPECT_EQ(found->artifact_type, entry.artifact_type);
    EXPECT_EQ(found->annotations, entry.annotations);
    EXPECT_EQ(found->size, entry.size);
  }
}

TEST_F(ReferrersTest, TheListKeepsTheEntriesOfOthersAndIsWrittenOnce) {
  api_ = false;
  oci::Index others;
  others.manifests.push_back(describe(oci::kManifestType, "a signature"));
  FakeRequest theirs;
  theirs.body = oci::to_json(others);
  theirs.headers["content-type"] = oci::kIndexType;
  manifests_[tag_] = manifests_[codec::sha256(theirs.body).str()] = theirs;
  push();
  ASSERT_THAT(listed(), SizeIs(3));
  EXPECT_EQ(listed()[0].digest, codec::sha256("a signature"));
  const auto list = manifests_.at(tag_).body;
  const auto writes = [&] {
    const auto all = server_.requests();
    return std::ranges::count_if(all,
                                 [&](const auto& one) { return one.method == "PUT" && one.target.ends_with(tag_); });
  };
  EXPECT_EQ(writes(), 1);
  push();
  EXPECT_EQ(manifests_.at(tag_).body, list);
  EXPECT_EQ(writes(), 1);
}

TEST_F(ReferrersTest, AListThatCannotBeReadIsNotOverwritten) {
  api_ = false;
  FakeRequest theirs;
  theirs.body = oci::to_json(oci::Index{});
  theirs.headers["content-type"] = oci::kIndexType;
  manifests_[tag_] = theirs;  // but not by digest
  EXPECT_EQ(failure().kind(), ErrorKind::not_found);
  EXPECT_EQ(manifests_.at(tag_).body, theirs.body);
}

TEST_F(ReferrersTest, AnImageUnderTheListsTagIsNotOverwritten) {
  api_ = false;
  FakeRequest image;
  image.body = image_.blobs.at(image_.root.digest);
  image.headers["content-type"] = oci::kManifestType;
  manifests_[tag_] = manifests_[image_.root.digest.str()] = image;
  const auto error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_THAT(error.what(), HasSubstr("tag " + server_.host() + "/a/b:" + tag_));
  EXPECT_EQ(manifests_.at(tag_).body, image.body);
}

TEST_F(ReferrersTest, ARefusalSaysWhatIsThereAndWhatIsNot) {
  refuses_ = true;
  const auto error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_THAT(error.what(), HasSubstr(server_.host() + "/a/b:1 is pushed, but not all that belongs to it: "));
  const auto first = std::ranges::min(attached_, {}, [](const auto& one) { return one.digest; });
  EXPECT_THAT(error.what(), HasSubstr(first.artifact_type + " " + first.digest.str()));
  EXPECT_THAT(error.what(), HasSubstr("MANIFEST_INVALID: no artifacts"));
  EXPECT_THAT(error.hint(), HasSubstr("--no-referrers"));
  EXPECT_TRUE(manifests_.contains("1"));
  push_options_.referrers = false;
  EXPECT_EQ(push().referrers, 0U);
}

TEST_F(ReferrersTest, AFailingListIsAnError) {
  api_ = false;
  referrers_status_ = 403;
  const auto error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("the referrers of " + image_.root.digest.str()));
}

// --- layouts and archives

class ReferrersInFilesTest : public ReferrersTest {
 protected:
  ExportedImage exported(std::vector<std::string> names = {"docker.io/library/app:1"}) {
    return {.source = source_.get(), .names = std::move(names)};
  }
  /// Loads what is in there into a second store; the attached manifests.
  std::vector<store::Referrer> loaded(const std::filesystem::path& path) {
    const auto other = store::Store::open(directory_.path() / ("store-of-" + path.filename().string()));
    auto images = open_images(path, directory_.path());
    EXPECT_THAT(images, SizeIs(1));
    const auto pulled = pull_image(*images.at(0).source, *other, pull_, bus_);
    EXPECT_EQ(pulled.descriptor.digest, image_.root.digest);
    EXPECT_EQ(pull_referrers(*images.at(0).source, *other, pulled.descriptor.digest, pull_, bus_), 2U);
    EXPECT_EQ(other->blobs().read(codec::sha256("spdx")), "spdx");
    return store::referrers_of(*other, pulled.descriptor.digest);
  }
  std::unique_ptr<ImageSource> source_ = store_source(*store_, image_.root.digest);
  std::filesystem::path path_ = directory_.path() / "layout";
};

TEST_F(ReferrersInFilesTest, ALayoutListsThemWithoutNames) {
  const auto image = exported();
  write_layout(path_, {&image, 1});
  const auto index = oci::parse_index(read_file(path_ / "index.json"));
  ASSERT_THAT(index.manifests, SizeIs(3));
  EXPECT_EQ(index.manifests[0].digest, image_.root.digest);
  for (std::size_t i : {1U, 2U}) {
    EXPECT_FALSE(index.manifests[i].artifact_type.empty());
    EXPECT_FALSE(index.manifests[i].annotations.contains("org.opencontainers.image.ref.name"));
    EXPECT_FALSE(index.manifests[i].platform.has_value());
  }
  EXPECT_EQ(open_layout({path_, "", {}})->resolve().digest, image_.root.digest) << "still the only image";
  EXPECT_THAT(loaded(path_), SizeIs(2));
  const auto before = read_file(path_ / "index.json");
  write_layout(path_, {&image, 1});
  EXPECT_EQ(read_file(path_ / "index.json"), before);
}

TEST_F(ReferrersInFilesTest, AnImageWithoutANameIsStillTheOnlyOne) {
  const auto image = exported({});
  write_layout(path_, {&image, 1});
  EXPECT_EQ(open_layout({path_, "", {}})->resolve().digest, image_.root.digest);
}

TEST_F(ReferrersInFilesTest, ArchivesHoldThemUnlessToldNotTo) {
  auto image = exported();
  write_archive_file(directory_.path() / "image.tar", {&image, 1});
  EXPECT_THAT(loaded(directory_.path() / "image.tar"), SizeIs(2));
  image.referrers = false;
  write_archive_file(directory_.path() / "docker.tar", {&image, 1});
  const auto images = open_images(directory_.path() / "docker.tar", directory_.path());
  ASSERT_THAT(images, SizeIs(1));
  EXPECT_THAT(images[0].source->referrers(image_.root.digest), IsEmpty());
}

TEST_F(ReferrersInFilesTest, OneThatIsListedManyTimesIsTakenOnce) {
  const auto image = exported();
  write_layout(path_, {&image, 1});
  auto index = oci::parse_index(read_file(path_ / "index.json"));
  for (int i = 0; i < 5000; ++i) {
    index.manifests.push_back(index.manifests[1]);
  }
  write_file_atomically(path_ / "index.json", oci::to_json(index));
  EXPECT_THAT(open_layout({path_, "", {}})->referrers(image_.root.digest), SizeIs(2));
  EXPECT_THAT(loaded(path_), SizeIs(2));
}

TEST_F(ReferrersInFilesTest, ADamagedOneIsAnError) {
  const auto image = exported();
  write_layout(path_, {&image, 1});
  write_file_atomically(path_ / "blobs" / "sha256" / codec::sha256("spdx").hex(), "spdy");
  const auto source = open_layout({path_, "", {}});
  const auto other = store::Store::open(directory_.path() / "other");
  EXPECT_THROW((void)pull_referrers(*source, *other, image_.root.digest, pull_, bus_), Error);
  EXPECT_THAT(store::referrers_of(*other, image_.root.digest), IsEmpty());
}

}  // namespace
}  // namespace dlc::registry
