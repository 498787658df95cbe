#include "oci/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::oci {
namespace {

using ::testing::HasSubstr;

const std::string kDigest = "sha256:" + std::string(64, 'a');

struct Case {
  std::string text, full, familiar;
};

TEST(Reference, ReadAsDockerDoes) {
  const std::vector<Case> cases{
      {"debian", "docker.io/library/debian:latest", "debian:latest"},
      {"debian:bookworm-slim", "docker.io/library/debian:bookworm-slim", "debian:bookworm-slim"},
      {"user/app", "docker.io/user/app:latest", "user/app:latest"},
      {"docker.io/debian", "docker.io/library/debian:latest", "debian:latest"},
      {"index.docker.io/library/debian:1", "docker.io/library/debian:1", "debian:1"},
      {"localhost/app", "localhost/app:latest", "localhost/app:latest"},
      {"localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"},
      {"127.0.0.1:5055/a/b/c__d/e---f.g_h:T_1.2-3", "127.0.0.1:5055/a/b/c__d/e---f.g_h:T_1.2-3",
       "127.0.0.1:5055/a/b/c__d/e---f.g_h:T_1.2-3"},
      {"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"},
      {"Foo/bar", "Foo/bar:latest", "Foo/bar:latest"},
      {"app@" + kDigest, "docker.io/library/app@" + kDigest, "app@" + kDigest},
      {"gcr.io/p/app:1@" + kDigest, "gcr.io/p/app:1@" + kDigest, "gcr.io/p/app:1@" + kDigest},
      {"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
  };
  for (const auto& one : cases) {
    const auto reference = parse_reference(one.text);
    EXPECT_EQ(reference.str(), one.full);
    EXPECT_EQ(reference.familiar(), one.familiar);
    EXPECT_EQ(parse_reference(reference.str()).str(), one.full);
    EXPECT_EQ(parse_reference(reference.familiar()).str(), one.full);
  }
}

TEST(Reference, WrongOnesAreRefused) {
  for (const std::string& text : {std::string(),
                                  std::string(":tag"),
                                  std::string("@") + kDigest,
                                  std::string("a:"),
                                  std::string("a:b:c"),
                                  std::string("a//b"),
                                  std::string("/a"),
                                  std::string("a/"),
                                  std::string("-a"),
                                  std::string("a-"),
                                  std::string("a..b"),
                                  std::string("a___b"),
                                  std::string("a._b"),
                                  std::string("../a"),
                                  std::string("a b"),
                                  std::string("a:.x"),
                                  "a:" + std::string(129, 'x'),
                                  std::string("a@sha256:abc"),
                                  "a@sha512:" + std::string(128, 'a'),
                                  std::string(64, 'a'),
                                  std::string("a.b:port/x"),
                                  std::string(":5000/x"),
                                  std::string("[::1/x"),
                                  std::string("-a.b/x"),
                                  std::string("a.:1/x"),
                                  "r.io/" + std::string(255, 'a'),
                                  std::string("a\n")}) {
    try {
      const auto reference = parse_reference(text);
      ADD_FAILURE() << text << " was read as " << reference.str();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid) << text;
      EXPECT_THAT(error.what(), HasSubstr("invalid re")) << text;
    }
  }
}

TEST(Reference, UpperCaseIsExplained) {
  try {
    (void)parse_reference("user/App");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("repository name (user/App) must be lowercase"));
  }
}

}  // namespace
}  // namespace dlc::oci
