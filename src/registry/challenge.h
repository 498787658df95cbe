#pragma once
// The WWW-Authenticate header (RFC 9110, 11.6.1) and the rule on where a registry may send us for a token.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/url.h"

namespace dlc::registry {

struct Challenge {
  std::string scheme;                             ///< lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  ///< names in lower case
};

/// All challenges of one header value; what cannot be read is left out. Linear time, whatever the input.
[[nodiscard]] std::vector<Challenge> parse_challenges(std::string_view header);

enum class RealmTrust {
  refuse,     ///< do not go there at all
  anonymous,  ///< ask for a token, but show no credentials
  full,       ///< the registry's credentials may be sent
};

/// What may be sent to the token server `realm` that `registry` names. Never plain HTTP or a bare address unless the
/// registry itself is one (`insecure_ok`: the realm's host is one where plain HTTP is allowed); credentials only to the
/// registry's own host, its domain's neighbours, and the pairs known from public registries.
[[nodiscard]] RealmTrust judge_realm(const net::Url& registry, const net::Url& realm, bool insecure_ok);

}  // namespace dlc::registry
