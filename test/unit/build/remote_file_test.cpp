#include "build/remote_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "unit/net/fake_server.h"

namespace dlc::build {
namespace {

using dlc::testing::answer;
using dlc::testing::FakeRequest;
using dlc::testing::FakeServer;
using ::testing::HasSubstr;

TEST(RemoteFile, s3_objects_are_found_by_https) {
  EXPECT_EQ(s3_url("s3://bucket/a/b c.whl", "", ""), "https://bucket.s3.amazonaws.com/a/b%20c.whl");
  EXPECT_EQ(s3_url("s3://bucket/x", "", "eu-west-1"), "https://bucket.s3.eu-west-1.amazonaws.com/x");
  EXPECT_EQ(s3_url("s3://my.bucket/x", "", ""), "https://s3.amazonaws.com/my.bucket/x");
  EXPECT_EQ(s3_url("s3://bucket/x", "http://localhost:9000/", ""), "http://localhost:9000/bucket/x");
  for (const char* wrong : {"s3://bucket", "s3://bucket/", "s3:///x", "https://x/y"}) {
    EXPECT_THROW(static_cast<void>(s3_url(wrong, "", "")), Error) << wrong;
  }
}

class RemoteFileTest : public ::testing::Test {
 protected:
  std::string fetch(const std::string& uri) { return read_file(fetch_remote_file(uri, *store_, bus_, 0, {})); }
  ErrorKind failure(const std::string& uri) {
    try {
      static_cast<void>(fetch(uri));
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(uri));
      return error.kind();
    }
    return ErrorKind::internal;
  }

  TemporaryDirectory directory_{"/var/tmp", "dlc-remote-"};
  std::unique_ptr<store::Store> store_ = store::Store::open(directory_.path() / "store");
  EventBus bus_;
};

TEST_F(RemoteFileTest, an_unchanged_file_is_not_sent_again) {
  std::atomic<int> sent = 0;
  std::string etag = "\"1\"";
  std::string content = "one";
  auto server = std::make_unique<FakeServer>([&](const FakeRequest& request) {
    if (request.header("if-none-match") == etag) {
      return answer(304, "");
    }
    ++sent;
    return answer(200, content, "ETag: " + etag + "\r\n");
  });
  const auto uri = "http://127.0.0.1:" + std::to_string(server->port()) + "/thing.whl";
  EXPECT_FALSE(known_remote_file(uri, *store_));
  EXPECT_EQ(fetch(uri), "one");
  EXPECT_EQ(fetch(uri), "one");
  EXPECT_EQ(sent, 1);
  content = "two";
  etag = "\"2\"";
  EXPECT_EQ(fetch(uri), "two");
  EXPECT_EQ(sent, 2);
  server.reset();
  EXPECT_EQ(read_file(*known_remote_file(uri, *store_)), "two");
}

TEST_F(RemoteFileTest, a_file_that_cannot_be_had) {
  FakeServer server([](const FakeRequest& request) {
    return request.target == "/secret" ? answer(403, "") : answer(request.target == "/gone" ? 404 : 410, "");
  });
  const auto base = "http://127.0.0.1:" + std::to_string(server.port());
  EXPECT_EQ(failure(base + "/secret"), ErrorKind::denied);
  EXPECT_EQ(failure(base + "/gone"), ErrorKind::not_found);
  EXPECT_EQ(failure(base + "/other"), ErrorKind::network);
  EXPECT_EQ(failure("ftp://host/file"), ErrorKind::unsupported);
  EXPECT_EQ(failure("http://127.0.0.1:1/nobody"), ErrorKind::network);
}

}  // namespace
}  // namespace dlc::build
