#include "registry/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "net/url.h"
#include "oci/json_guard.h"

namespace dlc::registry {

namespace {

/// "MANIFEST_UNKNOWN: manifest unknown" of a registry's error document (distribution-spec, "Error Codes"), or empty.
std::string stated_reason(const std::string& body) {
  constexpr std::size_t kMaxShown = 300;
  try {
    oci::guard_json(body, "error document", 64U << 10);
  } catch (const Error&) {
    return {};
  }
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("errors") || !json["errors"].is_array() || json["errors"].empty()) {
    return {};
  }
  const auto& first = json["errors"][0];
  std::string result;
  for (const char* name : {"code", "message"}) {
    if (first.is_object() && first.contains(name) && first[name].is_string()) {
      result += (result.empty() ? "" : ": ") + first[name].get<std::string>();
    }
  }
  for (char& c : result) {  // a server's text must not steer a terminal
    c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  return result.substr(0, kMaxShown);
}

RegistryOptions with_environment(RegistryOptions options) {
  const char* variable = std::getenv("DLC_INSECURE_REGISTRIES");
  std::string_view rest = variable != nullptr ? variable : "";
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (const auto name = rest.substr(0, comma); !name.empty()) {
      options.insecure.emplace_back(name);
    }
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  return options;
}

}  // namespace

Endpoint::Endpoint(RegistryOptions options)
    : options_(with_environment(std::move(options))),
      http_(options_.http),
      auth_(http_, options_.docker_config,
            [this](const std::string& authority) { return may_be_insecure(authority); }) {}

bool Endpoint::may_be_insecure(const std::string& authority) const {
  const auto host = net::parse_url("http://" + authority).host;
  return net::is_loopback(host) || std::any_of(options_.insecure.begin(), options_.insecure.end(),
                                               [&](const auto& one) { return one == authority || one == host; });
}

std::string Endpoint::probe(const std::string& registry, const std::stop_token& stop) {
  const auto try_scheme = [&](const std::string& scheme) {
    net::Request request;
    request.url = scheme + "://" + registry + "/v2/";
    request.retry = false;
    request.follow_redirects = false;
    request.verify_tls = false;  // nothing secret is sent, nothing received is used
    request.stop = stop;
    try {
      const auto response = http_.send(request);
      const bool wants_tls = response.status == 400 && response.body.find("HTTPS") != std::string::npos;
      return !wants_tls;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      return false;
    }
  };
  if (try_scheme("http")) {
    return "http://" + registry;
  }
  return try_scheme("https") ? "https://" + registry : std::string();
}

std::string Endpoint::base_url(const std::string& registry, const std::stop_token& stop) {
  if (registry == "docker.io") {
    return "https://registry-1.docker.io";
  }
  if (!may_be_insecure(registry)) {
    return "https://" + registry;
  }
  const std::lock_guard lock(mutex_);
  if (const auto it = base_urls_.find(registry); it != base_urls_.end()) {
    return it->second;
  }
  auto found = probe(registry, stop);
  if (found.empty()) {
    return "http://" + registry;  // down at the moment: the request itself will tell, and the next one asks again
  }
  return base_urls_.emplace(registry, std::move(found)).first->second;
}

net::Response Endpoint::send(const oci::Reference& repository, std::string_view access, net::Request request,
                             const net::Receiver* receiver) {
  constexpr int kMaxAnswers = 2;  // a token that ran out, then a real refusal
  const auto scope = fmt::format("repository:{}:{}", repository.path, access);
  const auto url = net::parse_url(request.url);
  request.verify_tls = !may_be_insecure(url.authority()) || net::is_loopback(url.host);
  const auto home = net::parse_url(base_url(repository.registry, request.stop));
  if (!net::same_origin(url, home)) {  // where an upload was sent to: it gets bytes, but no proof of who we are
    if (home.scheme == "https" && url.scheme != "https") {
      throw Error(ErrorKind::denied, fmt::format("registry {} sends us to {} without TLS, which is not followed",
                                                 repository.registry, url.authority()));
    }
    return http_.send(request, receiver);
  }
  for (int answers = 0;; ++answers) {
    request.credentials = auth_.headers(repository.registry, scope);
    auto response = http_.send(request, receiver);
    if (response.status != 401 || answers == kMaxAnswers || response.headers.all("www-authenticate").empty() ||
        !net::same_origin(url, net::parse_url(response.url))) {
      return response;
    }
    auth_.answer(repository.registry, url, scope, response, request.credentials, request.stop);
    if (request.upload) {
      if (!request.upload->rewind) {
        return response;
      }
      request.upload->rewind();
    }
  }
}

void Endpoint::check_login(const std::string& registry, const std::stop_token& stop) {
  constexpr int kMaxAnswers = 2;
  net::Request request;
  request.url = base_url(registry, stop) + "/v2/";
  request.stop = stop;
  const auto url = net::parse_url(request.url);
  request.verify_tls = !may_be_insecure(url.authority()) || net::is_loopback(url.host);
  for (int answers = 0;; ++answers) {
    request.credentials = auth_.headers(registry, "");
    const auto response = http_.send(request);
    if (response.ok()) {
      return;
    }
    if (response.status != 401 || answers == kMaxAnswers || !net::same_origin(url, net::parse_url(response.url))) {
      throw Error(response.status == 401 || response.status == 403 ? ErrorKind::denied : ErrorKind::network,
                  fmt::format("registry {} answered {} to the login", registry, response.status));
    }
    auth_.answer(registry, url, "", response, request.credentials, stop);
  }
}

Error Endpoint::refusal(const oci::Reference& repository, const std::string& what, const net::Response& response) {
  const auto& registry = repository.registry;
  const auto reason = stated_reason(response.body);
  const auto stated = reason.empty() ? "" : fmt::format(" ({})", reason);
  switch (response.status) {
    case 401:
      return Error(ErrorKind::denied, fmt::format("registry {} wants a login for {}{}", registry, what, stated))
          .hint(
              fmt::format("{}; run: dlc login {}. The name may also be wrong: registries answer the same for what does "
                          "not exist",
                          auth_.situation(registry), registry));
    case 403:
      return Error(ErrorKind::denied, fmt::format("registry {} does not allow access to {}{}", registry, what, stated))
          .hint(auth_.situation(registry));
    case 404:
      return Error(ErrorKind::not_found, fmt::format("registry {} has no {}{}", registry, what, stated))
          .hint("check the spelling of name and tag");
    case 429:
      return Error(ErrorKind::network,
                   fmt::format("registry {} limits requests and refuses {} for now{}", registry, what, stated))
          .hint(fmt::format(
              "wait{}, or log in for a higher limit: dlc login {}",
              response.headers.get("retry-after") ? " " + *response.headers.get("retry-after") + " s" : "", registry))
          .retryable();
    default:
      return Error(response.status >= 500 ? ErrorKind::network : ErrorKind::failed,
                   fmt::format("registry {} answered {} to the request for {}{}", registry, response.status, what,
                               stated))
          .retryable(response.status >= 500);
  }
}

}  // namespace dlc::registry
