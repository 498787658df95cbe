#include "registry/push.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "net/url.h"
#include "registry/pull.h"
#include "unit/net/fake_server.h"
#include "unit/registry/memory_source.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::answer;
using ::dlc::testing::FakeRequest;
using ::dlc::testing::FakeServer;
using ::dlc::testing::MemoryImageSource;
using ::dlc::testing::TestImage;
using ::testing::HasSubstr;

/// A registry that takes what it is sent; `fault` may answer first.
class PushTest : public ::testing::Test {
 protected:
  PushTest() {
    MemoryImageSource source(image_);
    PullOptions options;
    options.platform = {"linux", "amd64", ""};
    (void)pull_image(source, *store_, options, bus_);
  }

  std::string handle(const FakeRequest& request) {
    if (auto early = fault_ ? fault_(request) : std::nullopt) {
      return *early;
    }
    const auto& target = request.target;
    if (target == "/v2/") {
      return answer(200, "{}");
    }
    if (request.method == "HEAD") {
      return answer(blobs_.contains(target.substr(target.rfind('/') + 1)) ? 200 : 404, "");
    }
    if (request.method == "POST" && target.find("mount=") != std::string::npos) {
      return answer(can_mount_ ? 201 : 202, "", "Location: /upload?session=1\r\n");
    }
    if (request.method == "POST") {
      return answer(202, "", "Location: " + upload_location_ + "\r\n");
    }
    if (request.method == "PUT" && target.starts_with("/upload?session=1&digest=")) {
      const auto digest = "sha256:" + target.substr(target.size() - 64);
      if (codec::sha256(request.body).str() != digest) {
        return answer(400, R"({"errors":[{"code":"DIGEST_INVALID","message":"no"}]})");
      }
      blobs_[digest] = request.body;
      return answer(201, "");
    }
    if (request.method == "PUT" && target == "/v2/a/b/manifests/1") {
      manifest_ = request;
      return answer(201, "");
    }
    return answer(404, "");
  }

  Pushed push() {
    RegistryOptions options;
    options.docker_config = config_.empty() ? "/nonexistent" : config_;
    options.http.first_pause = std::chrono::milliseconds(1);
    RegistryClient client(options);
    return push_image(client, oci::parse_reference(server_.host() + "/a/b:1"), *store_, image_.root.digest,
                      push_options_, bus_);
  }

  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "dlc-test-"};
  std::unique_ptr<store::Store> store_ = store::Store::open(directory_.path() / "store");
  EventBus bus_;
  TestImage image_{{"first layer", "second layer"}};
  std::function<std::optional<std::string>(const FakeRequest&)> fault_;
  std::string upload_location_ = "/upload?session=1";
  bool can_mount_ = false;
  std::map<std::string, std::string> blobs_;
  std::optional<FakeRequest> manifest_;
  std::filesystem::path config_;
  PushOptions push_options_;
  FakeServer server_{[this](const FakeRequest& request) { return handle(request); }};
};

TEST_F(PushTest, EverythingArrivesTheManifestLast) {
  const auto pushed = push();
  EXPECT_EQ(pushed.sent, 3U);
  EXPECT_EQ(blobs_.size(), 3U);
  EXPECT_EQ(manifest_.value().body, image_.blobs.at(image_.root.digest));
  EXPECT_EQ(manifest_.value().header("content-type"), oci::kManifestType);
  EXPECT_EQ(server_.requests().back().target, "/v2/a/b/manifests/1");
  const auto again = push();
  EXPECT_EQ(again.present, 3U);
  EXPECT_EQ(again.bytes, 0U);
}

TEST_F(PushTest, NeighboursLayersAreMounted) {
  can_mount_ = true;
  push_options_.mount_from = {"a/b", "c/d"};
  EXPECT_EQ(push().mounted, 3U);
  const auto requests = server_.requests();
  EXPECT_TRUE(std::any_of(requests.begin(), requests.end(), [&](const auto& one) {
    return one.target ==
           "/v2/a/b/blobs/uploads/?mount=" + net::url_encode(image_.manifest.config.digest.str()) + "&from=c%2Fd";
  }));
  can_mount_ = false;
  EXPECT_EQ(push().sent, 3U);
}

TEST_F(PushTest, BrokenUploadsAreBegunAnew) {
  int puts = 0;
  fault_ = [&](const FakeRequest& request) -> std::optional<std::string> {
    if (request.method != "PUT" || ++puts > 2) {
      return std::nullopt;
    }
    return puts == 1 ? std::string() : answer(503, "");
  };
  EXPECT_EQ(push().sent, 3U);
  EXPECT_EQ(blobs_.size(), 3U);
}

TEST_F(PushTest, RefusalsAreFinalAndNamed) {
  fault_ = [&](const FakeRequest& request) -> std::optional<std::string> {
    return request.method == "POST"
               ? std::optional(answer(403, R"({"errors":[{"code":"DENIED","message":"read only"}]})"))
               : std::nullopt;
  };
  try {
    push();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::denied);
    EXPECT_THAT(error.what(), HasSubstr("DENIED: read only"));
  }
  EXPECT_FALSE(manifest_.has_value());
}

TEST_F(PushTest, UploadsElsewhereGetNoCredentials) {
  FakeServer storage([](const FakeRequest&) { return answer(201, ""); });
  upload_location_ = storage.url("/bucket?x=1");
  config_ = directory_.path() / "config";
  std::filesystem::create_directory(config_);
  write_file_atomically(config_ / "config.json", R"({"auths":{")" + server_.host() + R"(":{"auth":"dTpwdw=="}}})");
  fault_ = [&](const FakeRequest& request) -> std::optional<std::string> {
    return request.target != "/v2/" && request.header("authorization") != "Basic dTpwdw=="
               ? std::optional(answer(401, "", "WWW-Authenticate: Basic realm=\"r\"\r\n"))
               : std::nullopt;
  };
  EXPECT_EQ(push().sent, 3U);
  ASSERT_EQ(storage.requests().size(), 3U);
  for (const auto& request : storage.requests()) {
    EXPECT_EQ(request.header("authorization"), "");
    EXPECT_THAT(request.target, HasSubstr("/bucket?x=1&digest=sha256%3A"));
  }
  EXPECT_TRUE(manifest_.has_value());
}

}  // namespace
}  // namespace dlc::registry
