#pragma once
// URLs of http and https, parsed by the library that also fetches them, so that no two parsers can disagree about the
// host.
#include <string>
#include <string_view>

namespace dlc::net {

struct Url {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case; an IPv6 literal without its brackets
  int port = 0;        ///< the scheme's default where none was given
  std::string target;  ///< path and query, at least "/"

  [[nodiscard]] std::string str() const;  ///< without user and password
  /// "host" or "host:port" where the port is not the scheme's.
  [[nodiscard]] std::string authority() const;
};

/// Throws Error(invalid) that quotes the text; other schemes too. A user and password in it are dropped.
[[nodiscard]] Url parse_url(std::string_view text);
/// A Location header or other relative reference, seen from `base`.
[[nodiscard]] Url resolve_url(const Url& base, std::string_view reference);
/// Same scheme, host and port: credentials for one may be sent to the other.
[[nodiscard]] bool same_origin(const Url& a, const Url& b);
/// localhost, 127.0.0.0/8 and ::1, by their spelling (no lookup).
[[nodiscard]] bool is_loopback(std::string_view host);
/// An IPv4 or IPv6 address rather than a name.
[[nodiscard]] bool is_address(std::string_view host);
/// Percent-encodes everything but unreserved characters (RFC 3986).
[[nodiscard]] std::string url_encode(std::string_view text);

}  // namespace dlc::net
