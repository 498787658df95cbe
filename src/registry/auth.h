#pragma once
// Proof of who we are, per registry and repository: finds out how a registry wants it, fetches and keeps tokens.
// Distribution's token specification (spec/auth/token.md) and its OAuth2 variant.
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "net/http.h"
#include "net/url.h"
#include "registry/credentials.h"

namespace dlc::registry {

/// Thread-safe.
class Authenticator {
 public:
  Authenticator(net::HttpClient& http, std::filesystem::path docker_config,
                std::function<bool(const std::string& authority)> is_insecure);

  /// The headers to send with a request on `scope` ("repository:a/b:pull"), as far as they are known already.
  [[nodiscard]] net::HeaderList headers(const std::string& registry, const std::string& scope);
  /// Answers the challenges of a 401: afterwards `headers` gives what was asked for. `used` is what the refused request
  /// carried. Throws Error(denied) where nothing more can be done.
  void answer(const std::string& registry, const net::Url& url, const std::string& scope, const net::Response& response,
              const net::HeaderList& used, const std::stop_token& stop);
  /// For messages: where credentials were found, or that there are none.
  [[nodiscard]] std::string situation(const std::string& registry);

 private:
  struct Grant {
    std::string header;
    std::chrono::steady_clock::time_point expires;
  };
  const std::optional<Credentials>& credentials(const std::string& registry);
  Grant fetch_token(const std::string& registry, const net::Url& url, const std::string& scope,
                    const std::map<std::string, std::string>& challenge, const std::stop_token& stop);

  net::HttpClient& http_;
  std::filesystem::path docker_config_;
  std::function<bool(const std::string&)> is_insecure_;
  std::mutex mutex_;
  std::map<std::string, std::optional<Credentials>> known_;
  std::map<std::pair<std::string, std::string>, Grant> grants_;  ///< by registry and scope; basic under scope ""
};

}  // namespace dlc::registry
