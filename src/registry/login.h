#pragma once
// Keeping credentials where Docker, podman and skopeo look for them too: config.json or the credential store it names.
#include <filesystem>
#include <stop_token>
#include <string>

#include "registry/client.h"

namespace dlc::registry {

/// Tries the credentials on the registry. Error(denied) where they are refused, network errors as they come.
void check_login(const std::string& registry, const std::string& user, const std::string& password,
                 RegistryOptions options, std::stop_token stop = {});
/// Keeps them: in the credential store of config.json (credsStore), else in the file itself, mode 0600; everything else
/// in it stays. Returns where they are now.
std::string store_login(const std::filesystem::path& directory, const std::string& registry, const std::string& user,
                        const std::string& password);
/// Forgets them; false where there were none.
bool remove_login(const std::filesystem::path& directory, const std::string& registry);

}  // namespace dlc::registry
