#include "registry/auth.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "codec/base64.h"
#include "oci/json_guard.h"
#include "registry/challenge.h"

namespace dlc::registry {

namespace {

using Clock = std::chrono::steady_clock;

std::string parameter(const std::map<std::string, std::string>& parameters, const char* name) {
  const auto it = parameters.find(name);
  return it == parameters.end() ? std::string() : it->second;
}

Error denied(const std::string& registry, std::string why) {
  return {ErrorKind::denied, fmt::format("registry {}: {}", registry, why)};
}

std::string basic_header(const Credentials& credentials) {
  return "Basic " + codec::base64_encode(credentials.user + ":" + credentials.password);
}

/// The request to a token server: GET with the query, or POST where we have a refresh token.
net::Request token_request(const net::Url& realm, const std::string& service, const std::string& scope,
                           const std::optional<Credentials>& credentials) {
  net::Request request;
  const auto query = "service=" + net::url_encode(service) + (scope.empty() ? "" : "&scope=" + net::url_encode(scope));
  request.url = realm.str();
  request.body_limit = 1U << 20;
  request.follow_redirects = false;  // a token server that sends us on is not the one that was judged
  if (credentials && !credentials->identity_token.empty()) {
    request.method = "POST";
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.body =
        "grant_type=refresh_token&client_id=dlc&refresh_token=" + net::url_encode(credentials->identity_token) + "&" +
        query;
    return request;
  }
  request.url += (request.url.find('?') == std::string::npos ? "?" : "&") + query;
  if (credentials) {
    request.url += "&account=" + net::url_encode(credentials->user);
    request.credentials.emplace_back("Authorization", basic_header(*credentials));
  }
  return request;
}

}  // namespace

Authenticator::Authenticator(net::HttpClient& http, std::filesystem::path docker_config,
                             std::function<bool(const std::string&)> is_insecure)
    : http_(http), docker_config_(std::move(docker_config)), is_insecure_(std::move(is_insecure)) {
  if (docker_config_.empty()) {
    docker_config_ = docker_config_directory();
  }
}

const std::optional<Credentials>& Authenticator::credentials(const std::string& registry) {
  const std::lock_guard lock(mutex_);
  const auto it = known_.find(registry);
  if (it != known_.end()) {
    return it->second;
  }
  return known_.emplace(registry, find_credentials(docker_config_, registry)).first->second;
}

std::string Authenticator::situation(const std::string& registry) {
  const auto& found = credentials(registry);
  return found ? fmt::format("the credentials of {} were used", found->origin)
               : fmt::format("no credentials for {} in {}", registry, (docker_config_ / "config.json").string());
}

net::HeaderList Authenticator::headers(const std::string& registry, const std::string& scope) {
  const std::lock_guard lock(mutex_);
  for (const auto& key : {scope, std::string()}) {
    const auto it = grants_.find({registry, key});
    if (it != grants_.end() && it->second.expires > Clock::now()) {
      return {{"Authorization", it->second.header}};
    }
  }
  return {};
}

void Authenticator::answer(const std::string& registry, const net::Url& url, const std::string& scope,
                           const net::Response& response, const net::HeaderList& used, const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);  // another thread may have answered the same challenge meanwhile
    const auto it = grants_.find({registry, scope});
    if (it != grants_.end() && it->second.expires > Clock::now() &&
        (used.empty() || used.front().second != it->second.header)) {
      return;
    }
  }
  bool basic = false;
  for (const auto& header : response.headers.all("www-authenticate")) {
    for (const auto& challenge : parse_challenges(header)) {
      if (challenge.scheme == "bearer") {
        auto grant = fetch_token(registry, url, scope, challenge.parameters, stop);
        const std::lock_guard lock(mutex_);
        grants_.insert_or_assign({registry, scope}, std::move(grant));
        return;
      }
      basic = basic || challenge.scheme == "basic";
    }
  }
  const auto& found = credentials(registry);
  if (!basic) {
    throw denied(registry, "it asks for a login but does not say how");
  }
  if (!found || found->user.empty()) {
    throw denied(registry, "it asks for user and password").hint(situation(registry) + "; run: dlc login " + registry);
  }
  const auto header = basic_header(*found);
  if (!used.empty() && used.front().second == header) {
    throw denied(registry, "user and password were refused").hint(situation(registry));
  }
  const std::lock_guard lock(mutex_);
  grants_.insert_or_assign({registry, std::string()}, Grant{header, Clock::time_point::max()});
}

Authenticator::Grant Authenticator::fetch_token(const std::string& registry, const net::Url& url,
                                                const std::string& scope,
                                                const std::map<std::string, std::string>& challenge,
                                                const std::stop_token& stop) {
  const auto realm = net::parse_url(parameter(challenge, "realm"));
  const auto trust = judge_realm(url, realm, is_insecure_(realm.authority()));
  if (trust == RealmTrust::refuse) {
    throw denied(registry, fmt::format("it sends us to {} for a token, which is not trusted", realm.str()))
        .hint("a token server must be reached by https, under a name");
  }
  const auto found = trust == RealmTrust::full ? credentials(registry) : std::nullopt;
  const auto asked = parameter(challenge, "scope");
  auto request = token_request(realm, parameter(challenge, "service"), asked.empty() ? scope : asked, found);
  request.stop = stop;
  const auto response = http_.send(request);
  if (!response.ok()) {
    const bool withheld = trust == RealmTrust::anonymous && credentials(registry).has_value();
    throw denied(registry, fmt::format("the token server {} answered {}", realm.authority(), response.status))
        .hint(withheld ? fmt::format("your credentials for {} were not shown to {}, which is another owner's host",
                                     registry, realm.host)
                       : situation(registry) + "; run: dlc login " + registry);
  }
  oci::guard_json(response.body, "the token", 1U << 20);
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  std::string token;
  long long seconds = 60;
  if (json.is_object()) {
    for (const char* name : {"token", "access_token"}) {
      if (const auto it = json.find(name); token.empty() && it != json.end() && it->is_string()) {
        token = it->get<std::string>();
      }
    }
    if (const auto it = json.find("expires_in"); it != json.end() && it->is_number_integer()) {
      seconds = std::clamp(it->get<long long>(), 60LL, 86'400LL);
    }
  }
  if (token.empty()) {
    throw denied(registry, fmt::format("the token server {} gave no token", realm.authority()));
  }
  return {"Bearer " + token, Clock::now() + std::chrono::seconds(seconds) * 9 / 10};
}

}  // namespace dlc::registry
