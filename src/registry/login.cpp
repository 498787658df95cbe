#include "registry/login.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "codec/base64.h"
#include "oci/json_guard.h"
#include "registry/credentials.h"
#include "registry/endpoint.h"

namespace dlc::registry {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

/// The key Docker uses.
std::string key_of(const std::string& registry) {
  return registry == "docker.io" ? "https://index.docker.io/v1/" : registry;
}

Json read_config(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return Json::object();
  }
  const auto text = read_file(file, oci::kMaxDocument);
  oci::guard_json(text, file.string());
  auto json = Json::parse(text, nullptr, false);
  const bool good = json.is_object() && (!json.contains("auths") || json["auths"].is_object());
  if (!good) {
    throw Error(ErrorKind::invalid, file.string() + " is no configuration of Docker's").hint("correct or remove it");
  }
  return json;
}

void write_config(const fs::path& file, const Json& json) {
  write_file_atomically(file, json.dump(2) + "\n", Durability::durable, 0600);
}

/// The helper program for this registry, or empty.
std::string helper_of(const Json& config, const std::string& registry) {
  std::string name;
  if (const auto it = config.find("credsStore"); it != config.end() && it->is_string()) {
    name = it->get<std::string>();
  }
  if (const auto it = config.find("credHelpers"); it != config.end() && it->is_object()) {
    if (const auto own = it->find(registry); own != it->end() && own->is_string()) {
      name = own->get<std::string>();
    }
  }
  if (name.find('/') != std::string::npos) {
    throw Error(ErrorKind::invalid, fmt::format("\"{}\" is no name of a credential helper", name));
  }
  return name.empty() ? name : "docker-credential-" + name;
}

void run_helper(const std::string& program, const std::string& verb, const std::string& input) {
  CommandOptions options;
  options.input = input;
  const auto result = run_command({program, verb}, options);
  if (result.status != 0) {
    throw Error(ErrorKind::failed, fmt::format("{} {} failed: {}", program, verb, result.error.substr(0, 500)));
  }
}

}  // namespace

void check_login(const std::string& registry, const std::string& user, const std::string& password,
                 RegistryOptions options, std::stop_token stop) {
  const TemporaryDirectory directory(fs::temp_directory_path(), "dlc-login-");
  const Json config = {{"auths", {{key_of(registry), {{"auth", codec::base64_encode(user + ":" + password)}}}}}};
  write_config(directory.path() / "config.json", config);
  options.docker_config = directory.path();
  Endpoint endpoint(std::move(options));
  try {
    endpoint.check_login(registry, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::denied) {  // its hint would name the temporary file
      throw Error(ErrorKind::denied, error.message()).hint("check user and password");
    }
    throw;
  }
}

std::string store_login(const fs::path& directory, const std::string& registry, const std::string& user,
                        const std::string& password) {
  const auto file = directory / "config.json";
  auto config = read_config(file);
  if (const auto program = helper_of(config, registry); !program.empty()) {
    const Json input = {{"ServerURL", key_of(registry)}, {"Username", user}, {"Secret", password}};
    run_helper(program, "store", input.dump());
    return program;
  }
  std::error_code failed;
  if (fs::create_directories(directory, failed)) {
    ::chmod(directory.c_str(), 0700);
  }
  config["auths"][key_of(registry)] = {{"auth", codec::base64_encode(user + ":" + password)}};
  write_config(file, config);
  return file.string();
}

bool remove_login(const fs::path& directory, const std::string& registry) {
  if (!find_credentials(directory, registry)) {
    return false;
  }
  const auto file = directory / "config.json";
  auto config = read_config(file);
  if (const auto program = helper_of(config, registry); !program.empty()) {
    run_helper(program, "erase", key_of(registry));
  }
  if (config.contains("auths") && config["auths"].erase(key_of(registry)) > 0) {
    write_config(file, config);
  }
  return true;
}

}  // namespace dlc::registry
