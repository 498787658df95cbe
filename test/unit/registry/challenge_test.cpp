#include "registry/challenge.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::registry {
namespace {

TEST(Challenge, ReadsBearerAndBasic) {
  const auto found = parse_challenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push", Basic realm=x)");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].scheme, "bearer");
  EXPECT_EQ(found[0].parameters.at("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(found[0].parameters.at("scope"), "repository:a/b:pull,push");
  EXPECT_EQ(found[1].scheme, "basic");
  EXPECT_EQ(found[1].parameters.at("realm"), "x");
  EXPECT_EQ(parse_challenges(R"(BEARER Realm = "a\"b\\c" , service=d)").at(0).parameters.at("realm"), "a\"b\\c");
}

TEST(Challenge, OddOnesDoNoHarm) {
  for (const auto* text : {"", ",,,", "=", "Bearer", "Bearer realm", "Bearer realm=", "Bearer realm=\"abc", "\"x\"",
                           "Bearer realm=\"\\", "a=b", "Negotiate abc==, Basic"}) {
    EXPECT_NO_THROW((void)parse_challenges(text)) << text;
  }
  EXPECT_TRUE(parse_challenges("Bearer realm=\"abc").at(0).parameters.empty());
}

RealmTrust judge(const std::string& registry, const std::string& realm, bool insecure_ok = false) {
  return judge_realm(net::parse_url(registry), net::parse_url(realm), insecure_ok);
}

TEST(Realm, CredentialsGoToTheRegistrysOwnHosts) {
  EXPECT_EQ(judge("https://ghcr.io", "https://ghcr.io/token"), RealmTrust::full);
  EXPECT_EQ(judge("https://registry-1.docker.io", "https://auth.docker.io/token"), RealmTrust::full);
  EXPECT_EQ(judge("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"), RealmTrust::full);
  EXPECT_EQ(judge("https://nvcr.io", "https://authn.nvidia.com/token"), RealmTrust::full);
  EXPECT_EQ(judge("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true), RealmTrust::full);
}

TEST(Realm, StrangersGetNoCredentials) {
  EXPECT_EQ(judge("https://registry.example.org", "https://evil.example.com/token"), RealmTrust::anonymous);
  EXPECT_EQ(judge("https://registry.example.co.uk", "https://evil.co.uk/token"), RealmTrust::anonymous);
  EXPECT_EQ(judge("https://mine.azurecr.io", "https://evil.azurecr.io/token"), RealmTrust::anonymous);
  EXPECT_EQ(judge("https://notdocker.io", "https://auth.docker.io/token"), RealmTrust::anonymous);
}

TEST(Realm, UnsafePlacesAreRefused) {
  EXPECT_EQ(judge("https://registry.example.org", "http://registry.example.org/token"), RealmTrust::refuse);
  EXPECT_EQ(judge("https://registry.example.org", "https://10.0.0.1/token"), RealmTrust::refuse);
  EXPECT_EQ(judge("https://registry.example.org", "https://169.254.169.254/latest"), RealmTrust::refuse);
  EXPECT_EQ(judge("https://registry.example.org", "https://127.0.0.1/token"), RealmTrust::refuse);
  EXPECT_EQ(judge("https://registry.example.org", "http://127.0.0.1/token", true), RealmTrust::refuse);
  EXPECT_EQ(judge("http://127.0.0.1:5000", "http://169.254.169.254/latest", false), RealmTrust::refuse);
  EXPECT_EQ(judge("https://registry.example.org", "https://[fe80::1]/token"), RealmTrust::refuse);
}

}  // namespace
}  // namespace dlc::registry
