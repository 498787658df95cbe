#pragma once
// The credentials that `docker login` and its helpers keep: config.json's auths, credHelpers and credsStore.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace dlc::registry {

struct Credentials {
  std::string user;
  std::string password;
  std::string identity_token;  ///< an OAuth2 refresh token instead of user and password
  std::string origin;          ///< where they were found, for messages
};

/// DOCKER_CONFIG, else ~/.docker.
[[nodiscard]] std::filesystem::path docker_config_directory();

/// For a registry as a reference names it ("docker.io", "127.0.0.1:5000"). Nothing where config.json is missing or has
/// none; Error(invalid) naming the file where it cannot be read. A failing helper program is Error(failed).
[[nodiscard]] std::optional<Credentials> find_credentials(const std::filesystem::path& directory,
                                                          const std::string& registry);

}  // namespace dlc::registry
