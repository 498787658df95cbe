#include "net/url.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::net {
namespace {

TEST(Url, PartsAndText) {
  const auto url = parse_url("HTTPS://User:secret@Example.org:8443/a/b?x=1&y=%20#frag");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b?x=1&y=%20");
  EXPECT_EQ(url.str(), "https://example.org:8443/a/b?x=1&y=%20");
  EXPECT_EQ(parse_url("http://[::1]:5000").str(), "http://[::1]:5000/");
  EXPECT_EQ(parse_url("http://[::1]:5000").host, "::1");
  EXPECT_EQ(parse_url("https://a:443/").str(), "https://a/");
}

TEST(Url, OthersAreRefused) {
  for (const auto* text : {"", "nonsense", "ftp://a/", "file:///etc/passwd", "http://", "http://a b/",
                           "http://a\r\nX: y/", "http://a:99999/", "gopher://127.0.0.1"}) {
    EXPECT_THROW((void)parse_url(text), Error) << text;
  }
}

TEST(Url, ReferencesAreResolved) {
  const auto base = parse_url("https://a.example/x/y?z");
  EXPECT_EQ(resolve_url(base, "/v2/").str(), "https://a.example/v2/");
  EXPECT_EQ(resolve_url(base, "w?q=1").str(), "https://a.example/x/w?q=1");
  EXPECT_EQ(resolve_url(base, "//b.example/").str(), "https://b.example/");
  EXPECT_EQ(resolve_url(base, "http://c/d").str(), "http://c/d");
  EXPECT_THROW((void)resolve_url(base, "file:///etc/passwd"), Error);
}

TEST(Url, OriginsAndLoopback) {
  EXPECT_TRUE(same_origin(parse_url("https://a/x"), parse_url("https://A:443/y")));
  EXPECT_FALSE(same_origin(parse_url("https://a/"), parse_url("http://a/")));
  EXPECT_FALSE(same_origin(parse_url("https://a/"), parse_url("https://a:8443/")));
  for (const auto* host : {"localhost", "127.0.0.1", "127.255.1.2", "::1"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const auto* host : {"localhost.example.org", "128.0.0.1", "127.0.0.1.example.org", "::2", "0.0.0.0", ""}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
  EXPECT_TRUE(is_address("169.254.169.254"));
  EXPECT_FALSE(is_address("a.example"));
  EXPECT_EQ(url_encode("repository:a/b:pull ~"), "repository%3Aa%2Fb%3Apull%20~");
}

}  // namespace
}  // namespace dlc::net
