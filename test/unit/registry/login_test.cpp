#include "registry/login.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "registry/credentials.h"
#include "unit/net/fake_server.h"

namespace dlc::registry {
namespace {

using ::dlc::testing::answer;
using ::dlc::testing::FakeRequest;
using ::dlc::testing::FakeServer;

TEST(Login, IsKeptBesideWhatIsThere) {
  const TemporaryDirectory directory(std::filesystem::temp_directory_path(), "dlc-test-");
  const auto folder = directory.path() / "docker";
  (void)store_login(folder, "a.example", "u", "p:w");
  write_file_atomically(folder / "config.json", R"({"detachKeys":"x","auths":{"a.example":{"auth":"dTpwOnc="}}})");
  const auto place = store_login(folder, "docker.io", "hub", "pw");
  EXPECT_EQ(place, (folder / "config.json").string());
  EXPECT_EQ(find_credentials(folder, "a.example").value().password, "p:w");
  EXPECT_EQ(find_credentials(folder, "docker.io").value().user, "hub");
  EXPECT_NE(read_file(folder / "config.json").find("detachKeys"), std::string::npos);
  EXPECT_EQ(std::filesystem::status(folder / "config.json").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_TRUE(remove_login(folder, "docker.io"));
  EXPECT_FALSE(remove_login(folder, "docker.io"));
  EXPECT_TRUE(find_credentials(folder, "a.example").has_value());
}

TEST(Login, IsTriedFirst) {
  FakeServer server([](const FakeRequest& request) {
    return request.header("authorization") == "Basic dTpwdw=="
               ? answer(200, "{}")
               : answer(401, "", "WWW-Authenticate: Basic realm=\"r\"\r\n");
  });
  EXPECT_NO_THROW(check_login(server.host(), "u", "pw", {}));
  try {
    check_login(server.host(), "u", "wrong", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::denied);
  }
}

TEST(Login, WorksWithTokenServers) {
  FakeServer server([](const FakeRequest& request) {
    if (request.target.starts_with("/token")) {
      return request.header("authorization") == "Basic dTpwdw==" ? answer(200, R"({"token":"t"})") : answer(401, "");
    }
    return request.header("authorization") == "Bearer t"
               ? answer(200, "{}")
               : answer(401, "", "WWW-Authenticate: Bearer realm=\"http://" + request.header("host") + "/token\"\r\n");
  });
  EXPECT_NO_THROW(check_login(server.host(), "u", "pw", {}));
  EXPECT_THROW(check_login(server.host(), "u", "wrong", {}), Error);
}

}  // namespace
}  // namespace dlc::registry
