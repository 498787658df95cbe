#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/net/fake_server.h"

namespace dlc::net {
namespace {

using ::dlc::testing::answer;
using ::dlc::testing::FakeRequest;
using ::dlc::testing::FakeServer;
using ::testing::HasSubstr;

ClientOptions quick() {
  ClientOptions options;
  options.first_pause = std::chrono::milliseconds(1);
  options.stall_timeout = std::chrono::seconds(1);
  options.longest_wait = std::chrono::seconds(1);
  return options;
}

Request get(const std::string& url) {
  Request request;
  request.url = url;
  return request;
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Http, GetsABodyAndHeaders) {
  FakeServer server([](const FakeRequest&) { return answer(200, "hello", "X-A:  b \r\nX-A: c\r\n"); });
  HttpClient client(quick());
  const auto response = client.send(get(server.url("/x?y=1")));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_THAT(response.headers.all("x-a"), ::testing::ElementsAre("b", "c"));
  EXPECT_EQ(server.requests().at(0).target, "/x?y=1");
  EXPECT_EQ(server.requests().at(0).header("user-agent"), kUserAgent);
}

TEST(Http, SendsABody) {
  FakeServer server([](const FakeRequest& request) { return answer(201, request.body); });
  HttpClient client(quick());
  auto request = get(server.url());
  request.method = "POST";
  request.body = "a=b";
  EXPECT_EQ(client.send(request).body, "a=b");
  request.method = "PUT";
  std::string rest = "streamed";
  request.upload = Upload{rest.size(),
                          [&](std::span<std::byte> buffer) {
                            const auto count = std::min(buffer.size(), rest.size());
                            std::copy_n(std::as_bytes(std::span(rest)).begin(), count, buffer.begin());
                            rest.erase(0, count);
                            return count;
                          },
                          {}};
  EXPECT_EQ(client.send(request).body, "streamed");
}

TEST(Http, RepeatsWhatMayPass) {
  int count = 0;
  FakeServer server([&](const FakeRequest&) {
    switch (++count) {
      case 1:
        return answer(503, "");
      case 2:
        return answer(429, "", "Retry-After: 0\r\n");
      case 3:
        return std::string();  // closed without an answer
      default:
        return answer(200, "at last");
    }
  });
  std::vector<std::string> reasons;
  auto options = quick();
  options.on_retry = [&](const std::string& reason) { reasons.push_back(reason); };
  HttpClient client(options);
  EXPECT_EQ(client.send(get(server.url())).body, "at last");
  ASSERT_EQ(reasons.size(), 3U);
  EXPECT_THAT(reasons[0], HasSubstr("503"));
  EXPECT_THAT(reasons[2], HasSubstr("broke off"));
}

TEST(Http, GivesUpInTheEnd) {
  FakeServer server([](const FakeRequest&) { return answer(500, "broken"); });
  HttpClient client(quick());
  EXPECT_EQ(client.send(get(server.url())).status, 500);
  EXPECT_EQ(server.requests().size(), 5U);
}

TEST(Http, DoesNotWaitForever) {
  FakeServer server([](const FakeRequest&) { return answer(429, "", "Retry-After: 3600\r\n"); });
  HttpClient client(quick());
  EXPECT_EQ(client.send(get(server.url())).status, 429);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(Http, UnrepeatableRequestsAreSentOnce) {
  FakeServer server([](const FakeRequest&) { return std::string(); });
  HttpClient client(quick());
  auto request = get(server.url());
  request.method = "POST";
  request.retry = false;
  EXPECT_THROW(client.send(request), Error);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(Http, CredentialsStayWithTheirOrigin) {
  FakeServer other([](const FakeRequest&) { return answer(200, "blob"); });
  FakeServer server([&](const FakeRequest& request) {
    return request.target == "/start" ? answer(302, "", "Location: /next\r\n")
                                      : answer(307, "", "Location: " + other.url("/blob") + "\r\n");
  });
  HttpClient client(quick());
  auto request = get(server.url("/start"));
  request.credentials = {{"Authorization", "Bearer secret"}};
  request.headers = {{"Accept", "x/y"}};
  const auto response = client.send(request);
  EXPECT_EQ(response.body, "blob");
  EXPECT_EQ(response.url, other.url("/blob"));
  EXPECT_EQ(server.requests().at(0).header("authorization"), "Bearer secret");
  EXPECT_EQ(server.requests().at(1).header("authorization"), "Bearer secret");
  EXPECT_EQ(other.requests().at(0).header("authorization"), "");
  EXPECT_EQ(other.requests().at(0).header("accept"), "x/y");
}

TEST(Http, RedirectsEnd) {
  FakeServer server([](const FakeRequest&) { return answer(302, "", "Location: /again\r\n"); });
  HttpClient client(quick());
  EXPECT_THROW(client.send(get(server.url())), Error);
  FakeServer evil([](const FakeRequest&) { return answer(302, "", "Location: file:///etc/passwd\r\n"); });
  EXPECT_THROW(client.send(get(evil.url())), Error);
}

TEST(Http, BodiesAreBounded) {
  FakeServer server([](const FakeRequest&) { return answer(200, std::string(5000, 'x')); });
  HttpClient client(quick());
  auto request = get(server.url());
  request.body_limit = 4999;
  EXPECT_THROW(client.send(request), Error);
  request.body_limit = 5000;
  EXPECT_EQ(client.send(request).body.size(), 5000U);
}

TEST(Http, ErrorsNameTheHostAndTheCause) {
  int port = 0;
  {
    port = FakeServer([](const FakeRequest&) { return std::string(); }).port();
  }
  HttpClient client(quick());
  try {
    client.send(get("http://127.0.0.1:" + std::to_string(port)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::network);
    EXPECT_THAT(error.what(), HasSubstr("cannot connect to 127.0.0.1:" + std::to_string(port)));
    EXPECT_FALSE(error.hint().empty());
  }
  auto request = get("http://127.0.0.1/");
  request.headers = {{"X", "a\r\nInjected: b"}};
  EXPECT_THROW(client.send(request), Error);
}

TEST(Http, SilenceEnds) {
  std::atomic<bool> release = false;
  FakeServer server([&](const FakeRequest&) {
    while (!release) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return std::string();
  });
  auto options = quick();
  options.attempts = 1;
  HttpClient client(options);
  try {
    client.send(get(server.url()));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::timeout);
  }
  release = true;
}

TEST(Http, CanBeInterrupted) {
  std::atomic<bool> release = false;
  FakeServer server([&](const FakeRequest&) {
    while (!release) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return std::string();
  });
  std::stop_source stop;
  auto options = quick();
  options.stall_timeout = std::chrono::seconds(30);
  HttpClient client(options);
  auto request = get(server.url());
  request.stop = stop.get_token();
  std::jthread killer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  try {
    client.send(request);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
  release = true;
}

class DownloadTest : public ::testing::Test {
 protected:
  Response fetch(const std::string& url, const DownloadOptions& options) {
    auto quick_options = options;
    quick_options.first_pause = std::chrono::milliseconds(1);
    return download([&](const Request& request, const Receiver& receiver) { return client_.send(request, &receiver); },
                    get(url), [&](std::span<const std::byte> bytes) { received_ += text_of(bytes); }, quick_options);
  }
  HttpClient client_{quick()};
  std::string received_;
};

/// Sends `piece` bytes at most, then breaks off.
std::string broken(const FakeRequest& request, const std::string& body, std::size_t piece, const std::string& extra) {
  const auto range = request.header("range");
  const std::size_t start = range.empty() ? 0 : std::stoul(range.substr(6));
  std::string head = "HTTP/1.1 " + std::string(range.empty() ? "200" : "206") +
                     " X\r\nContent-Length: " + std::to_string(body.size() - start) + "\r\nConnection: close\r\n" +
                     extra;
  if (!range.empty()) {
    head += "Content-Range: bytes " + std::to_string(start) + "-" + std::to_string(body.size() - 1) + "/" +
            std::to_string(body.size()) + "\r\n";
  }
  return head + "\r\n" + body.substr(start, piece);
}

const std::string kBody = "0123456789abcdefghijklmnopqrstuvwxyz";

TEST_F(DownloadTest, GoesOnWhereItBrokeOff) {
  FakeServer server([](const FakeRequest& request) { return broken(request, kBody, 5, ""); });
  DownloadOptions options;
  options.size = kBody.size();
  options.verified = true;
  fetch(server.url(), options);
  EXPECT_EQ(received_, kBody);
  EXPECT_EQ(server.requests().at(1).header("range"), "bytes=5-");
}

TEST_F(DownloadTest, ServersWithoutRangesSendAllAgain) {
  int count = 0;
  FakeServer server([&](FakeRequest request) {
    request.headers.erase("range");
    return broken(request, kBody, ++count == 1 ? 7 : kBody.size(), "");
  });
  DownloadOptions options;
  options.size = kBody.size();
  options.verified = true;
  fetch(server.url(), options);
  EXPECT_EQ(received_, kBody);
}

TEST_F(DownloadTest, AnotherRangeIsRefused) {
  FakeServer server([](FakeRequest request) {
    if (!request.header("range").empty()) {
      request.headers["range"] = "bytes=9-";
    }
    return broken(request, kBody, 5, "");
  });
  DownloadOptions options;
  options.size = kBody.size();
  options.verified = true;
  EXPECT_THROW(fetch(server.url(), options), Error);
}

TEST_F(DownloadTest, AChangedFileIsNotJoined) {
  int count = 0;
  FakeServer server([&](const FakeRequest& request) {
    return broken(request, kBody, 5, "ETag: \"" + std::to_string(++count) + "\"\r\n");
  });
  try {
    fetch(server.url(), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("changed"));
  }
  FakeServer same([&](const FakeRequest& request) { return broken(request, kBody, 5, "ETag: \"1\"\r\n"); });
  received_.clear();
  fetch(same.url(), {});
  EXPECT_EQ(received_, kBody);
}

TEST_F(DownloadTest, MoreThanExpectedIsRefused) {
  FakeServer server([](const FakeRequest&) { return answer(200, kBody + "!"); });
  DownloadOptions options;
  options.size = kBody.size();
  try {
    fetch(server.url(), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  }
}

TEST_F(DownloadTest, AServerThatNeverSendsMoreIsLeft) {
  FakeServer server([](const FakeRequest&) { return answer(200, "short"); });
  DownloadOptions options;
  options.size = 100;
  options.verified = true;
  options.attempts = 3;
  EXPECT_THROW(fetch(server.url(), options), Error);
  EXPECT_LE(server.requests().size(), 5U);
}

}  // namespace
}  // namespace dlc::net
