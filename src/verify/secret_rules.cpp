#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "contents/text_lines.h"
#include "verify/image_rule.h"
#include "verify/secret_text.h"

namespace dlc::verify {

namespace {

using contents::base_name;

constexpr std::uint64_t kLargestText = 1U << 20;

/// Calls `look` with each file of at most 1 MiB that is no binary and has a result of its own. With all cores; `look`
/// gives a message, or nothing.
void for_each_text(const Subject& subject, const Report& report,
                   const std::function<std::string(const std::string& path, const std::string& text)>& look) {
  std::vector<const contents::Node*> nodes;
  for (const auto& [path, node] : subject.tree.nodes()) {
    if (node.entry.type == 'f' && node.entry.link.empty() && node.entry.size >= 20 && node.entry.size <= kLargestText &&
        !path.ends_with(".pyc")) {
      nodes.push_back(&node);
    }
  }
  std::vector<std::string> messages(nodes.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < nodes.size(); i = next++) {
      try {
        const auto text = subject.tree.read(*nodes[i], 0, kLargestText);
        messages[i] = text.starts_with(
                          "\x7f"
                          "ELF")
                          ? ""
                          : look(nodes[i]->entry.path, text);
      } catch (const Error& error) {
        messages[i] = std::string("cannot be read: ") + error.what();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
      threads.emplace_back(work);
    }
    work();
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!messages[i].empty()) {
      report(nodes[i]->entry.path, messages[i]);
    }
  }
}

bool is_host_key(std::string_view path) {
  return path.starts_with("etc/ssh/ssh_host_") && path.ends_with("_key");
}

/// A file that is there to hold credentials, and does.
std::string credentials_of(const std::string& path, const std::string& text) {
  const auto name = base_name(path);
  if (name == ".netrc" || name == "_netrc") {
    return text.find("password") != std::string::npos ? "holds passwords for hosts" : "";
  }
  if (name == ".git-credentials") {
    return "holds passwords of git";
  }
  if (name == ".pypirc" || path.ends_with("/.aws/credentials")) {
    const bool filled = text.find("password") != std::string::npos || text.find("secret") != std::string::npos;
    return filled ? "holds a password or secret key" : "";
  }
  if (path.ends_with(".docker/config.json") || path.ends_with("containers/auth.json")) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    return json.is_object() && json.contains("auths") && !json["auths"].empty() ? "holds passwords for registries" : "";
  }
  if (name == "pip.conf" || path.ends_with("etc/apt/auth.conf") ||
      path.find("/apt/auth.conf.d/") != std::string::npos) {
    const auto scheme = text.find("://");
    const auto end = text.find_first_of("/ \n", scheme == std::string::npos ? 0 : scheme + 3);
    const bool url = scheme != std::string::npos && text.substr(scheme, end - scheme).find('@') != std::string::npos;
    return url || text.find("password ") != std::string::npos ? "holds a password for a package index" : "";
  }
  return access_key_in(text).empty() ? "" : "holds " + access_key_in(text);
}

bool is_secret_name(std::string_view variable) {
  const auto name = contents::lower(variable);
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"password", "passwd", "secret", "token", "api_key", "access_key",
                                              "private_key", "_pass", "passphrase"},
      [&](auto word) { return name.ends_with(word); });
}

}  // namespace

void check_private_keys(const Subject& subject, const Report& report) {
  for_each_text(subject, report, [](const auto& path, const auto& text) {
    return !is_host_key(path) && has_private_key(text) ? std::string("holds a private key") : std::string();
  });
}

void check_credentials(const Subject& subject, const Report& report) {
  for_each_text(subject, report, credentials_of);
  for (const auto& line : subject.config.env) {
    const auto equals = std::min(line.find('='), line.size());
    const auto name = line.substr(0, equals);
    const auto value = line.substr(std::min(line.size(), equals + 1));
    if (!access_key_in(value).empty() || (is_secret_name(name) && !value.empty())) {
      report("", "the variable " + name + " holds a secret");
    } else if (has_url_password(value)) {
      report("", "the variable " + name + " holds a URL with a password");
    }
  }
  for (const auto& step : subject.config.history) {
    if (const auto what = access_key_in(step.created_by); !what.empty()) {
      report("", "the history of a build step holds " + what);
    } else if (has_url_password(step.created_by)) {
      report("", "the history of a build step holds a URL with a password");
    }
  }
}

void check_host_keys(const Subject& subject, const Report& report) {
  for (const auto& [path, node] : subject.tree.nodes()) {
    if (node.entry.type == 'f' && is_host_key(path)) {
      report(path, "is an ssh host key; make it when the container starts (ssh-keygen -A)");
    }
  }
}

}  // namespace dlc::verify
