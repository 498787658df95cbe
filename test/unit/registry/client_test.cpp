#include "registry/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "codec/sinks.h"
#include "unit/net/fake_server.h"
#include "unit/registry/memory_source.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::answer;
using ::dlc::testing::FakeRequest;
using ::dlc::testing::FakeServer;
using ::dlc::testing::TestImage;
using ::testing::HasSubstr;

/// A registry with one image, a/b:1, that does as the spec says; tests put their faults before it.
class FakeRegistry {
 public:
  using Fault = std::function<std::optional<std::string>(const FakeRequest&)>;
  explicit FakeRegistry(Fault fault = {}) : fault_(std::move(fault)) {}

  std::string handle(const FakeRequest& request) {
    if (fault_) {
      if (auto early = fault_(request)) {
        return *early;
      }
    }
    const std::string manifests = "/v2/a/b/manifests/";
    const std::string blobs = "/v2/a/b/blobs/";
    if (request.target == "/v2/") {
      return answer(200, "{}");
    }
    if (request.target.starts_with(manifests)) {
      const auto name = request.target.substr(manifests.size());
      if (name != "1" && name != image.root.digest.str()) {
        return answer(404, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})");
      }
      const auto& body = image.blobs.at(image.root.digest);
      auto reply = answer(200, body,
                          "Content-Type: " + std::string(oci::kManifestType) +
                              "\r\nDocker-Content-Digest: " + image.root.digest.str() + "\r\n");
      return request.method == "HEAD" ? reply.substr(0, reply.size() - body.size()) : reply;
    }
    if (request.target.starts_with(blobs)) {
      const auto it = image.blobs.find(oci::Digest::parse(request.target.substr(blobs.size())));
      return it == image.blobs.end() ? answer(404, "") : answer(200, it->second);
    }
    return answer(404, "");
  }

  TestImage image{{"first layer", "second layer"}};
  FakeServer server{[this](const FakeRequest& request) { return handle(request); }};

  [[nodiscard]] oci::Reference reference(const std::string& tag = "1") const {
    return oci::parse_reference(server.host() + "/a/b:" + tag);
  }
  [[nodiscard]] oci::Descriptor layer() const { return image.manifest.layers.at(0); }

 private:
  Fault fault_;
};

RegistryOptions quick(const std::filesystem::path& config = "/nonexistent") {
  RegistryOptions options;
  options.docker_config = config;
  options.http.first_pause = std::chrono::milliseconds(1);
  options.http.longest_wait = std::chrono::seconds(1);
  options.http.attempts = 3;
  return options;
}

std::string blob(RegistryClient& client, const FakeRegistry& fake, const oci::Descriptor& descriptor) {
  codec::StringSink sink;
  client.copy_blob(fake.reference(), descriptor, sink);
  return sink.take();
}

Error error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

TEST(RegistryClient, ReadsAnImage) {
  FakeRegistry fake;
  RegistryClient client(quick());
  const auto source = registry_source(client, fake.reference());
  const auto documents = read_image(*source, {"linux", "amd64", ""});
  EXPECT_EQ(documents.descriptor.digest, fake.image.root.digest);
  EXPECT_EQ(documents.manifest.layers.size(), 2U);
  EXPECT_EQ(blob(client, fake, fake.layer()), "first layer");
}

TEST(RegistryClient, MissingThingsAreNamed) {
  FakeRegistry fake;
  RegistryClient client(quick());
  const auto error = error_of([&] { (void)client.resolve(fake.reference("2")); });
  EXPECT_EQ(error.kind(), ErrorKind::not_found);
  EXPECT_THAT(error.what(),
              HasSubstr("registry " + fake.server.host() + " has no image " + fake.server.host() + "/a/b:2"));
  EXPECT_THAT(error.what(), HasSubstr("MANIFEST_UNKNOWN"));
}

TEST(RegistryClient, RegistriesWithoutADigestHeaderAreAskedForTheDocument) {
  FakeRegistry fake([](const FakeRequest& request) -> std::optional<std::string> {
    return request.method == "HEAD" ? std::optional(answer(405, "")) : std::nullopt;
  });
  RegistryClient client(quick());
  EXPECT_EQ(client.resolve(fake.reference()).digest, fake.image.root.digest);
}

TEST(RegistryClient, DamagedBlobsAreRefused) {
  FakeRegistry fake([&](const FakeRequest& request) -> std::optional<std::string> {
    return request.target.find("/blobs/") != std::string::npos ? std::optional(answer(200, "First layer"))
                                                               : std::nullopt;
  });
  RegistryClient client(quick());
  const auto error = error_of([&] { (void)blob(client, fake, fake.layer()); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(fake.layer().digest.str()));
}

TEST(RegistryClient, DamagedManifestsAreRefused) {
  FakeRegistry fake([&](const FakeRequest& request) -> std::optional<std::string> {
    return request.method == "GET" && request.target.find("/manifests/") != std::string::npos
               ? std::optional(answer(200, R"({"schemaVersion":2,"layers":[],"manifests":[]})"))
               : std::nullopt;
  });
  RegistryClient client(quick());
  EXPECT_EQ(error_of([&] { (void)client.manifest(fake.reference(), fake.image.root); }).kind(), ErrorKind::corrupt);
}

TEST(RegistryClient, AmbiguousManifestsAreRefused) {
  const std::string both = R"({"schemaVersion":2,"config":{},"layers":[],"manifests":[]})";
  FakeRegistry fake([&](const FakeRequest& request) -> std::optional<std::string> {
    return request.target.find("/manifests/") != std::string::npos ? std::optional(answer(200, both)) : std::nullopt;
  });
  RegistryClient client(quick());
  const auto source = registry_source(client, fake.reference());
  EXPECT_EQ(error_of([&] { (void)read_image(*source, {"linux", "amd64", ""}); }).kind(), ErrorKind::invalid);
}

TEST(RegistryClient, ContentTypeMustBeTrue) {
  FakeRegistry fake([&](const FakeRequest& request) -> std::optional<std::string> {
    if (request.method != "GET" || request.target.find("/manifests/") == std::string::npos) {
      return std::nullopt;
    }
    return answer(200, fake.image.blobs.at(fake.image.root.digest),
                  "Content-Type: " + std::string(oci::kIndexType) + "\r\n");
  });
  RegistryClient client(quick());
  EXPECT_EQ(error_of([&] { (void)client.manifest(fake.reference(), fake.image.root); }).kind(), ErrorKind::invalid);
}

TEST(RegistryClient, BrokenConnectionsAreResumed) {
  int count = 0;
  FakeRegistry fake([&](const FakeRequest& request) -> std::optional<std::string> {
    if (request.target.find("/blobs/") == std::string::npos) {
      return std::nullopt;
    }
    if (++count == 1) {
      return "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nfirst";
    }
    EXPECT_EQ(request.header("range"), "bytes=5-");
    return "HTTP/1.1 206 X\r\nContent-Length: 6\r\nConnection: close\r\nContent-Range: bytes 5-10/11\r\n\r\n layer";
  });
  RegistryClient client(quick());
  EXPECT_EQ(blob(client, fake, fake.layer()), "first layer");
  EXPECT_EQ(count, 2);
}

TEST(RegistryClient, LimitsAreExplained) {
  FakeRegistry fake([](const FakeRequest& request) -> std::optional<std::string> {
    return request.target == "/v2/" ? std::nullopt : std::optional(answer(429, "", "Retry-After: 900\r\n"));
  });
  RegistryClient client(quick());
  const auto error = error_of([&] { (void)client.resolve(fake.reference()); });
  EXPECT_EQ(error.kind(), ErrorKind::network);
  EXPECT_THAT(error.hint(), HasSubstr("900"));
}

TEST(RegistryClient, UnreachableRegistriesAreNamed) {
  std::string host;
  {
    host = FakeServer([](const FakeRequest&) { return std::string(); }).host();
  }
  RegistryClient client(quick());
  const auto error = error_of([&] { (void)client.resolve(oci::parse_reference(host + "/a:1")); });
  EXPECT_EQ(error.kind(), ErrorKind::network);
  EXPECT_THAT(error.what(), HasSubstr("cannot connect to " + host));
}

/// Asks for a bearer token on everything but /v2/ and the token itself.
class TokenRegistry : public ::testing::Test {
 protected:
  std::optional<std::string> guard(const FakeRequest& request) {
    if (request.target.starts_with("/token")) {
      token_requests_.push_back(request);
      return token_answer_;
    }
    if (request.target == "/v2/" || request.header("authorization") == "Bearer " + valid_) {
      return std::nullopt;
    }
    ++refusals_;
    return answer(
        401, "", "WWW-Authenticate: Bearer realm=\"" + realm_ + "\",service=\"s v\",scope=\"repository:a/b:pull\"\r\n");
  }
  std::string valid_ = "good";
  std::string token_answer_ = answer(200, R"({"token":"good","expires_in":300})");
  std::vector<FakeRequest> token_requests_;
  int refusals_ = 0;
  FakeRegistry fake_{[this](const FakeRequest& request) { return guard(request); }};
  std::string realm_ = fake_.server.url("/token");
  TemporaryDirectory config_{std::filesystem::temp_directory_path(), "dlc-test-"};
};

TEST_F(TokenRegistry, AnonymousTokensAreFetchedOnce) {
  RegistryClient client(quick());
  const auto descriptor = client.resolve(fake_.reference());
  EXPECT_EQ(client.manifest(fake_.reference(), descriptor), fake_.image.blobs.at(fake_.image.root.digest));
  EXPECT_EQ(blob(client, fake_, fake_.layer()), "first layer");
  EXPECT_EQ(refusals_, 1);
  ASSERT_EQ(token_requests_.size(), 1U);
  EXPECT_EQ(token_requests_[0].target, "/token?service=s%20v&scope=repository%3Aa%2Fb%3Apull");
  EXPECT_EQ(token_requests_[0].header("authorization"), "");
}

TEST_F(TokenRegistry, CredentialsAreShownToItsOwnTokenServer) {
  write_file_atomically(config_.path() / "config.json",
                        R"({"auths":{")" + fake_.server.host() + R"(":{"username":"u","password":"pw"}}})");
  RegistryClient client(quick(config_.path()));
  EXPECT_EQ(client.resolve(fake_.reference()).digest, fake_.image.root.digest);
  EXPECT_EQ(token_requests_.at(0).header("authorization"), "Basic dTpwdw==");
}

TEST_F(TokenRegistry, IdentityTokensAreExchanged) {
  write_file_atomically(config_.path() / "config.json",
                        R"({"auths":{")" + fake_.server.host() + R"(":{"identitytoken":"id/1"}}})");
  token_answer_ = answer(200, R"({"access_token":"good"})");
  RegistryClient client(quick(config_.path()));
  EXPECT_EQ(client.resolve(fake_.reference()).digest, fake_.image.root.digest);
  EXPECT_EQ(token_requests_.at(0).method, "POST");
  EXPECT_THAT(token_requests_.at(0).body, HasSubstr("refresh_token=id%2F1"));
}

TEST_F(TokenRegistry, ATokenThatRunsOutIsRenewed) {
  RegistryClient client(quick());
  (void)client.resolve(fake_.reference());
  valid_ = "newer";
  token_answer_ = answer(200, R"({"token":"newer"})");
  EXPECT_EQ(blob(client, fake_, fake_.layer()), "first layer");
  EXPECT_EQ(token_requests_.size(), 2U);
}

TEST_F(TokenRegistry, RefusedTokensEndInAnError) {
  valid_ = "another";
  RegistryClient client(quick());
  const auto error = error_of([&] { (void)client.resolve(fake_.reference()); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.hint(), HasSubstr("dlc login"));
  EXPECT_LE(token_requests_.size(), 2U);
}

TEST_F(TokenRegistry, RealmsElsewhereAreNotFollowed) {
  for (const auto* realm : {"http://169.254.169.254/latest", "http://10.1.2.3/token", "file:///etc/passwd", ""}) {
    realm_ = realm;
    RegistryClient client(quick());
    const auto error = error_of([&] { (void)client.resolve(fake_.reference()); });
    EXPECT_TRUE(error.kind() == ErrorKind::denied || error.kind() == ErrorKind::invalid) << error.what();
  }
  EXPECT_TRUE(token_requests_.empty());
}

TEST_F(TokenRegistry, BlobsElsewhereGetNoToken) {
  FakeServer storage([](const FakeRequest&) { return answer(200, "first layer"); });
  FakeRegistry redirecting([&](const FakeRequest& request) -> std::optional<std::string> {
    if (request.target.find("/blobs/") == std::string::npos || request.header("authorization").empty()) {
      return request.target.starts_with("/token") ? std::optional(token_answer_)
             : request.target == "/v2/"           ? std::nullopt
             : request.header("authorization").empty()
                 ? std::optional(answer(
                       401, "", "WWW-Authenticate: Bearer realm=\"http://" + request.header("host") + "/token\"\r\n"))
                 : std::nullopt;
    }
    return answer(307, "", "Location: " + storage.url("/x?signature=1") + "\r\n");
  });
  RegistryClient client(quick());
  EXPECT_EQ(blob(client, redirecting, redirecting.layer()), "first layer");
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].header("authorization"), "");
}

TEST(RegistryClient, BasicAuthentication) {
  FakeRegistry fake([](const FakeRequest& request) -> std::optional<std::string> {
    return request.header("authorization") == "Basic dTpwdw=="
               ? std::nullopt
               : std::optional(answer(401, "", "WWW-Authenticate: Basic realm=\"r\"\r\n"));
  });
  const TemporaryDirectory config(std::filesystem::temp_directory_path(), "dlc-test-");
  RegistryClient nobody(quick(config.path()));
  const auto error = error_of([&] { (void)nobody.resolve(fake.reference()); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.hint(), HasSubstr("config.json"));
  write_file_atomically(config.path() / "config.json",
                        R"({"auths":{")" + fake.server.host() + R"(":{"auth":"dTpwdw=="}}})");
  RegistryClient client(quick(config.path()));
  EXPECT_EQ(client.resolve(fake.reference()).digest, fake.image.root.digest);
  write_file_atomically(config.path() / "config.json",
                        R"({"auths":{")" + fake.server.host() + R"(":{"auth":"dTpubw=="}}})");
  RegistryClient wrong(quick(config.path()));
  EXPECT_THAT(error_of([&] { (void)wrong.resolve(fake.reference()); }).what(), HasSubstr("refused"));
}

}  // namespace
}  // namespace dlc::registry
