#pragma once
// One request to a registry, with its scheme found out, its authentication done and its refusals put into words.
// Internal to registry: reading (client.cpp) and writing go through here.
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"
#include "oci/reference.h"
#include "registry/auth.h"
#include "registry/client.h"

namespace dlc::registry {

/// Thread-safe.
class Endpoint {
 public:
  explicit Endpoint(RegistryOptions options);

  /// "https://registry-1.docker.io" of a registry as references name it. Probes hosts where plain HTTP is allowed.
  [[nodiscard]] std::string base_url(const std::string& registry, const std::stop_token& stop);
  /// Sends with authentication for `access` ("pull" or "pull,push") on the repository; answers at most two 401s. The
  /// response may be any other status.
  net::Response send(const oci::Reference& repository, std::string_view access, net::Request request,
                     const net::Receiver* receiver = nullptr);
  /// Whether the credentials that are known for a registry are good: Error(denied) otherwise.
  void check_login(const std::string& registry, const std::stop_token& stop);
  /// A refusal as an error that names registry, `what` ("image a/b:1"), cause and remedy.
  [[nodiscard]] Error refusal(const oci::Reference& repository, const std::string& what, const net::Response& response);

  [[nodiscard]] const RegistryOptions& options() const noexcept { return options_; }

 private:
  [[nodiscard]] bool may_be_insecure(const std::string& authority) const;
  [[nodiscard]] std::string probe(const std::string& registry, const std::stop_token& stop);

  RegistryOptions options_;
  net::HttpClient http_;
  Authenticator auth_;
  std::mutex mutex_;
  std::map<std::string, std::string> base_urls_;
};

}  // namespace dlc::registry
