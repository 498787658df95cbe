#include "build/requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "unit/net/fake_server.h"

namespace dlc::build {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string failure(const std::string& text) {
  try {
    static_cast<void>(parse_requirements(text, "r.toml"));
    return "";
  } catch (const Error& error) {
    return std::to_string(error.where().line) + ": " + error.what();
  }
}

TEST(Requirements, are_read) {
  const auto all = parse_requirements(
      "[[requirement]]\nname = \"index\"\nurl = \"https://x/\"\nseconds = 3\nhint = \"h\"\n"
      "[[requirement]]\nname = \"gpu\"\ncommand = [\"test\", \"-e\", \"/dev/x\"]\n",
      "r.toml");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].url, "https://x/");
  EXPECT_EQ(all[0].seconds, 3);
  EXPECT_EQ(all[0].hint, "h");
  EXPECT_EQ(all[1].command.size(), 3U);
  EXPECT_EQ(all[1].seconds, 10);
  EXPECT_EQ(all[1].where.line, 6);
}

TEST(Requirements, what_is_wrong_is_named_with_its_line) {
  const std::string head = "[[requirement]]\nname = \"a\"\n";
  EXPECT_THAT(failure(head), HasSubstr("needs either url or command"));
  EXPECT_THAT(failure(head + "url = \"https://x\"\ncommand = [\"true\"]\n"), HasSubstr("needs either url or command"));
  EXPECT_THAT(failure("[[requirement]]\nurl = \"https://x\"\n"), HasSubstr("needs the key name"));
  EXPECT_THAT(failure(head + "url = \"ftp://x\"\n"), HasSubstr("3: url must begin with https://"));
  EXPECT_THAT(failure(head + "url = 7\n"), HasSubstr("3: url must be a text"));
  EXPECT_THAT(failure(head + "command = \"true\"\n"), HasSubstr("3: command must be a list"));
  EXPECT_THAT(failure(head + "command = []\n"), HasSubstr("3: command must be a list"));
  EXPECT_THAT(failure(head + "seconds = 0\n"), HasSubstr("3: seconds must be"));
  EXPECT_THAT(failure(head + "seconds = \"1\"\n"), HasSubstr("3: seconds must be"));
  EXPECT_THAT(failure(head + "uri = \"https://x\"\n"), HasSubstr("3: unknown key uri"));
  EXPECT_THAT(failure(head + "url = \"https://x\"\n" + head + "url = \"https://x\"\n"), HasSubstr("is there twice"));
  EXPECT_THAT(failure("requirement = 1\n"), HasSubstr("unknown key requirement"));
  EXPECT_THAT(failure("requirement = [1]\n"), HasSubstr("is a table"));
  EXPECT_THAT(failure("[[other]]\n"), HasSubstr("unknown key other"));
  EXPECT_NE(failure("[[requirement\n"), "");
}

std::map<std::string, std::string> unmet(const std::string& text, const std::set<std::string>& names) {
  return unmet_requirements(names, parse_requirements(text, "r.toml"), {});
}

TEST(Requirements, commands_are_run) {
  const std::string text =
      "[[requirement]]\nname = \"yes\"\ncommand = [\"true\"]\n"
      "[[requirement]]\nname = \"no\"\ncommand = [\"sh\", \"-c\", \"echo why >&2; exit 3\"]\nhint = \"do x\"\n"
      "[[requirement]]\nname = \"slow\"\ncommand = [\"sleep\", \"60\"]\nseconds = 1\n"
      "[[requirement]]\nname = \"unasked\"\ncommand = [\"false\"]\n";
  const auto result = unmet(text, {"yes", "no", "slow", "undefined"});
  ASSERT_EQ(result.size(), 2U);
  EXPECT_EQ(result.at("no"), "sh exited with 3 (why); do x");
  EXPECT_EQ(result.at("slow"), "sleep did not end within 1 s");
}

TEST(Requirements, a_url_counts_by_its_status) {
  dlc::testing::FakeServer server([](const dlc::testing::FakeRequest& request) {
    return request.target == "/ok" ? dlc::testing::answer(200, std::string(1 << 20, 'x'))
                                   : dlc::testing::answer(404, "no");
  });
  const auto base = "http://127.0.0.1:" + std::to_string(server.port());
  const auto text = "[[requirement]]\nname = \"ok\"\nurl = \"" + base +
                    "/ok\"\n[[requirement]]\nname = \"gone\"\nurl = \"" + base +
                    "/gone\"\n[[requirement]]\nname = \"dead\"\nurl = \"http://127.0.0.1:1/\"\n";
  EXPECT_THAT(unmet(text, {"ok"}), IsEmpty());
  const auto result = unmet(text, {"ok", "gone", "dead"});
  ASSERT_EQ(result.size(), 2U);
  EXPECT_EQ(result.at("gone"), base + "/gone answered with status 404");
  EXPECT_THAT(result.at("dead"), HasSubstr("127.0.0.1:1"));
}

TEST(Requirements, a_server_that_says_nothing_is_not_waited_for) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // takes connections, never answers
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  const auto result = unmet("[[requirement]]\nname = \"mute\"\nurl = \"" + url + "\"\nseconds = 1\n", {"mute"});
  ASSERT_EQ(result.size(), 1U);
  EXPECT_EQ(result.at("mute"), url + " did not answer within 1 s");
}

}  // namespace
}  // namespace dlc::build
