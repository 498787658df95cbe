#include "registry/credentials.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "codec/base64.h"
#include "oci/json_guard.h"

namespace dlc::registry {

namespace {

using Json = nlohmann::json;

std::string text_member(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// The keys under which a login to this registry may be kept, Docker's own first.
std::vector<std::string> keys_of(const std::string& registry) {
  if (registry == "docker.io") {
    return {"https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://index.docker.io",
            "registry-1.docker.io"};
  }
  return {registry,
          "https://" + registry,
          "http://" + registry,
          "https://" + registry + "/v1/",
          "https://" + registry + "/v2/",
          "https://" + registry + "/"};
}

std::optional<Credentials> from_entry(const Json& entry, const std::string& origin) {
  if (!entry.is_object()) {
    return std::nullopt;
  }
  Credentials result;
  result.origin = origin;
  result.user = text_member(entry, "username");
  result.password = text_member(entry, "password");
  result.identity_token = text_member(entry, "identitytoken");
  if (const auto encoded = text_member(entry, "auth"); !encoded.empty()) {
    const auto decoded = codec::base64_decode(encoded);
    const auto colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
      throw Error(ErrorKind::invalid, origin + ": \"auth\" is not the base64 of user:password");
    }
    result.user = decoded->substr(0, colon);
    result.password = decoded->substr(colon + 1);
    while (!result.password.empty() && result.password.back() == '\0') {
      result.password.pop_back();
    }
  }
  const bool usable = !result.identity_token.empty() || (!result.user.empty() && !result.password.empty());
  return usable ? std::optional(result) : std::nullopt;
}

bool is_helper_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
                              std::string::npos;
}

/// docker-credential-NAME get (github.com/docker/docker-credential-helpers, "Development").
std::optional<Credentials> ask_helper(const std::string& name, const std::string& key) {
  if (!is_helper_name(name)) {
    throw Error(ErrorKind::invalid, fmt::format("\"{}\" is no name of a credential helper", name));
  }
  CommandOptions options;
  options.input = key;
  const std::string program = "docker-credential-" + name;
  const auto result = run_command({program, "get"}, options);
  if (result.status != 0) {
    if ((result.output + result.error).find("credentials not found") != std::string::npos) {
      return std::nullopt;
    }
    throw Error(ErrorKind::failed, fmt::format("{} failed: {}", program, result.error.substr(0, 500)));
  }
  oci::guard_json(result.output, "the output of " + program);
  const Json json = Json::parse(result.output, nullptr, false);
  if (!json.is_object()) {
    throw Error(ErrorKind::failed, program + " printed no JSON object");
  }
  Credentials credentials;
  credentials.origin = program;
  credentials.user = text_member(json, "Username");
  credentials.password = text_member(json, "Secret");
  if (credentials.user == "<token>") {
    credentials.identity_token = std::exchange(credentials.password, {});
    credentials.user.clear();
  }
  return credentials.password.empty() && credentials.identity_token.empty() ? std::nullopt : std::optional(credentials);
}

}  // namespace

std::filesystem::path docker_config_directory() {
  if (const char* directory = std::getenv("DOCKER_CONFIG"); directory != nullptr && directory[0] != '\0') {
    return directory;
  }
  const char* home = std::getenv("HOME");
  return home != nullptr && home[0] != '\0' ? std::filesystem::path(home) / ".docker" : std::filesystem::path();
}

std::optional<Credentials> find_credentials(const std::filesystem::path& directory, const std::string& registry) {
  const auto file = directory / "config.json";
  std::error_code ignored;
  if (directory.empty() || !std::filesystem::exists(file, ignored)) {
    return std::nullopt;
  }
  const auto text = read_file(file, oci::kMaxDocument);
  oci::guard_json(text, file.string());
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    throw Error(ErrorKind::invalid, file.string() + " is no JSON object").hint("correct it or run docker login again");
  }
  const auto keys = keys_of(registry);
  if (const auto helpers = json.find("credHelpers"); helpers != json.end() && helpers->is_object()) {
    for (const auto& key : keys) {
      if (const auto name = text_member(*helpers, key.c_str()); !name.empty()) {
        return ask_helper(name, key);
      }
    }
  }
  if (const auto auths = json.find("auths"); auths != json.end() && auths->is_object()) {
    for (const auto& key : keys) {
      if (const auto entry = auths->find(key); entry != auths->end()) {
        if (auto found = from_entry(*entry, file.string())) {
          return found;
        }
      }
    }
  }
  if (const auto name = text_member(json, "credsStore"); !name.empty()) {
    return ask_helper(name, keys.front());
  }
  return std::nullopt;
}

}  // namespace dlc::registry
