#include "net/url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cctype>
#include <memory>

#include "base/error.h"
#include "net/curl_library.h"

namespace dlc::net {

namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const noexcept { curl().url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, UrlDeleter>;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(url, which, &text, flags) != CURLUE_OK) {
    return {};
  }
  std::string result(text);
  curl().free(text);
  return result;
}

[[noreturn]] void refuse(std::string_view text, const char* why) {
  throw Error(ErrorKind::invalid, fmt::format("\"{}\" is no URL: {}", text, why));
}

void set(CURLU* url, std::string_view text) {
  if (text.find_first_of(std::string_view("\0\r\n\t ", 5)) != std::string_view::npos) {
    refuse(text, "it holds a blank or a control character");
  }
  const auto failed = curl().url_set(url, CURLUPART_URL, std::string(text).c_str(), 0);
  if (failed != CURLUE_OK) {
    refuse(text, curl().url_strerror(failed));
  }
}

Url read(CURLU* url, std::string_view text) {
  Url result;
  result.scheme = part(url, CURLUPART_SCHEME);
  if (result.scheme != "http" && result.scheme != "https") {
    refuse(text, "only http and https are fetched");
  }
  result.host = part(url, CURLUPART_HOST);
  if (result.host.size() > 2 && result.host.front() == '[') {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  for (char& c : result.host) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  result.port = std::stoi(part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
  result.target = part(url, CURLUPART_PATH);
  if (result.target.empty()) {
    result.target = "/";
  }
  if (const auto query = part(url, CURLUPART_QUERY); !query.empty()) {
    result.target += "?" + query;
  }
  return result;
}

}  // namespace

Url parse_url(std::string_view text) {
  const Handle handle(curl().url());
  set(handle.get(), text);
  return read(handle.get(), text);
}

Url resolve_url(const Url& base, std::string_view reference) {
  const Handle handle(curl().url());
  set(handle.get(), base.str());
  set(handle.get(), reference);
  return read(handle.get(), reference);
}

std::string Url::authority() const {
  std::string result = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (scheme == "https" ? 443 : 80)) {
    result += fmt::format(":{}", port);
  }
  return result;
}

std::string Url::str() const {
  return scheme + "://" + authority() + target;
}

bool same_origin(const Url& a, const Url& b) {
  return a.scheme == b.scheme && a.host == b.host && a.port == b.port;
}

bool is_address(std::string_view host) {
  const std::string text(host);
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") {
    return true;
  }
  const std::string text(host);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == 127;
  }
  in6_addr v6{};
  return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string url_encode(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      result += c;
    } else {
      result += fmt::format("%{:02X}", byte);
    }
  }
  return result;
}

}  // namespace dlc::net
