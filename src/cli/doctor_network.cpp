// The servers that builds need: can they be reached, and who vouches for them?
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <future>

#include "base/error.h"
#include "base/files.h"
#include "build/base_mirrors.h"
#include "cli/doctor_checks.h"
#include "net/http.h"

namespace dlc::cli::doctor {

namespace {

constexpr std::chrono::milliseconds kConnect{5000};
constexpr std::chrono::seconds kStall{8};

net::ClientOptions client_options(const std::string& ca_file) {
  net::ClientOptions options;
  options.connect_timeout = kConnect;
  options.stall_timeout = kStall;
  options.attempts = 1;
  options.ca_file = ca_file;
  return options;
}

void ask(Server& server, const std::string& ca_file) {
  net::HttpClient client(client_options(ca_file));
  net::Request request;
  request.method = "HEAD";
  request.url = server.url;
  const auto begin = std::chrono::steady_clock::now();
  try {
    server.status = client.send(request).status;
  } catch (const Error& error) {
    server.error = error.message();
    server.hint = error.hint();
  }
  server.time = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

/// One file with the authorities that the distribution ships, without those that an administrator added.
std::string distribution_bundle() {
  const std::filesystem::path directory = "/usr/share/ca-certificates/mozilla";
  std::string bundle;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    bundle += read_file(entry.path()) + "\n";
  }
  return bundle;
}

/// Whether the server is trusted because of the host's own authorities only.
bool is_intercepted(const Server& server, const std::string& bundle_file) {
  if (!server.error.empty() || !server.url.starts_with("https:") || bundle_file.empty()) {
    return false;
  }
  Server again = server;
  ask(again, bundle_file);
  return !again.error.empty();
}

/// The first Debian entry of the host's own sources, as `dlc` uses it for base images.
Server package_mirror() {
  std::string base = "http://deb.debian.org/debian";
  std::string suite = "bookworm";
  const auto sources = build::read_apt_sources("/etc/apt");
  if (!sources.empty()) {
    base = sources.front().uri;
    suite = sources.front().suite;
  }
  while (base.ends_with('/')) {
    base.pop_back();
  }
  Server server;
  server.check = "mirror";
  server.name = "package mirror";
  server.url = base + "/dists/" + suite + "/InRelease";
  return server;
}

Server python_index() {
  Server server;
  server.check = "pypi";
  server.name = "PyPI";
  const char* index = std::getenv("PIP_INDEX_URL");
  server.url = index != nullptr && *index != '\0' ? index : "https://pypi.org/simple";
  if (!server.url.ends_with('/')) {
    server.url += '/';
  }
  server.url += "pip/";
  return server;
}

/// "https://user:secret@host/path" without what must not be shown.
std::string host_of(const std::string& url) {
  const auto scheme = url.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  const auto end = std::min(url.find('/', begin), url.size());
  const auto at = url.rfind('@', end);
  return url.substr(at != std::string::npos && at >= begin ? at + 1 : begin,
                    end - (at != std::string::npos && at >= begin ? at + 1 : begin));
}

}  // namespace

std::vector<Server> look_at_servers() {
  std::vector<Server> servers = {package_mirror(), python_index()};
  const std::string bundle = host_authorities().empty() ? "" : distribution_bundle();
  std::optional<TemporaryDirectory> directory;
  std::string bundle_file;
  if (!bundle.empty()) {
    directory.emplace(std::filesystem::temp_directory_path(), "dlc-doctor-");
    bundle_file = directory->path() / "authorities.pem";
    write_file_atomically(bundle_file, bundle);
  }
  std::vector<std::future<void>> asked;
  for (Server& server : servers) {
    asked.push_back(std::async(std::launch::async, [&server, &bundle_file] {
      ask(server, "");
      server.intercepted = is_intercepted(server, bundle_file);
    }));
  }
  for (auto& answer : asked) {
    answer.get();
  }
  return servers;
}

Finding judge(const Server& server) {
  const std::string host = host_of(server.url);
  if (!server.error.empty()) {
    return {server.check, Health::bad, fmt::format("{} cannot be reached: {}", server.name, server.error),
            server.hint.empty() ? "check the network, and the proxy variables (https_proxy, no_proxy)" : server.hint};
  }
  constexpr int kFirstError = 400;
  if (server.status >= kFirstError) {
    return {server.check, Health::bad, fmt::format("{} ({}) answers with status {}", server.name, host, server.status),
            server.check == "pypi" ? "check PIP_INDEX_URL"
                                   : "check the entries of /etc/apt/sources.list and sources.list.d"};
  }
  if (server.intercepted) {
    return {server.check, Health::warning,
            fmt::format("{} is reached through a TLS-intercepting proxy ({} ms)", server.name, server.time.count()),
            "RUN steps get the host's CA bundle (--host-certs)"};
  }
  return {server.check, Health::good, fmt::format("{} reachable ({}, {} ms)", server.name, host, server.time.count()),
          ""};
}

std::vector<std::string> host_authorities(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, failed)) {
    if (entry.path().extension() == ".crt" && entry.is_regular_file(failed)) {
      names.push_back(entry.path().filename());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Finding> judge_authorities(const std::vector<std::string>& names) {
  if (names.empty()) {
    return std::nullopt;
  }
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ", ") + name;
  }
  return Finding{"certificates", Health::warning, "this host trusts certificate authorities of its own: " + list,
                 "RUN steps that use TLS get them too (--host-certs); no layer keeps them"};
}

}  // namespace dlc::cli::doctor
