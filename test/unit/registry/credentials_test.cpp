#include "registry/credentials.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"

namespace dlc::registry {
namespace {

class CredentialsTest : public ::testing::Test {
 protected:
  void write(const std::string& text) { write_file_atomically(directory_.path() / "config.json", text); }
  std::optional<Credentials> find(const std::string& registry) { return find_credentials(directory_.path(), registry); }
  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "dlc-test-"};
};

TEST_F(CredentialsTest, AreFoundAsDockerKeepsThem) {
  EXPECT_FALSE(find("a.example"));
  write(R"({"auths":{"https://index.docker.io/v1/":{"auth":"aHViOnB3"},"a.example:5000":{"username":"u","password":"p"},
    "https://b.example/v2/":{"identitytoken":"tok","auth":"PHRva2VuPjo="},"empty.example":{}}})");
  EXPECT_EQ(find("docker.io").value().user, "hub");
  EXPECT_EQ(find("docker.io").value().password, "pw");
  EXPECT_EQ(find("a.example:5000").value().password, "p");
  EXPECT_EQ(find("b.example").value().identity_token, "tok");
  EXPECT_FALSE(find("a.example"));
  EXPECT_FALSE(find("empty.example"));
}

TEST_F(CredentialsTest, BrokenFilesAreNamed) {
  for (const auto* text : {"", "[", "[]", R"({"auths":{"x":{"auth":"!!"}}})", R"({"auths":{"x":{"auth":"YWJj"}}})"}) {
    write(text);
    try {
      (void)find("x");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
      EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos);
    }
  }
}

TEST_F(CredentialsTest, HelpersAreAsked) {
  const auto program = directory_.path() / "docker-credential-dlctest";
  std::ofstream(program)
      << "#!/bin/sh\nread name\n[ \"$1 $name\" = 'get h.example' ] || { echo credentials not found; exit 1; }\n"
         "echo '{\"Username\":\"<token>\",\"Secret\":\"s3\"}'\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (directory_.path().string() + ":" + path).c_str(), 1);
  write(R"({"credHelpers":{"h.example":"dlctest"},"credsStore":"dlctest"})");
  EXPECT_EQ(find("h.example").value().identity_token, "s3");
  EXPECT_FALSE(find("other.example"));
  write(R"({"credsStore":"../../evil"})");
  EXPECT_THROW((void)find("other.example"), Error);
  ::setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace dlc::registry
