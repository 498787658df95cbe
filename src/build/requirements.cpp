#include "build/requirements.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cstdlib>
#include <future>

#include "base/process.h"
#include "build/time_limit.h"
#include "net/http.h"

namespace dlc::build {

namespace {

constexpr int kMostSeconds = 600;

Error wrong(const toml::node& node, const std::string& file, std::string message) {
  return Error(ErrorKind::invalid, std::move(message))
      .at({file, static_cast<int>(node.source().begin.line), static_cast<int>(node.source().begin.column)});
}

std::string text_of(const toml::node& node, const std::string& file, const std::string& key) {
  const auto* text = node.as_string();
  if (text == nullptr || text->get().empty()) {
    throw wrong(node, file, key + " must be a text in quotes");
  }
  return text->get();
}

std::vector<std::string> command_of(const toml::node& node, const std::string& file) {
  std::vector<std::string> words;
  if (const auto* list = node.as_array()) {
    for (const auto& word : *list) {
      words.push_back(text_of(word, file, "command"));
    }
  }
  if (words.empty()) {
    throw wrong(node, file, "command must be a list of words").hint("such as command = [\"test\", \"-e\", \"/dev/x\"]");
  }
  return words;
}

Requirement parse_one(const toml::table& table, const std::string& file) {
  Requirement requirement;
  requirement.where = {file, static_cast<int>(table.source().begin.line),
                       static_cast<int>(table.source().begin.column)};
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (name == "name") {
      requirement.name = text_of(value, file, name);
    } else if (name == "url") {
      requirement.url = text_of(value, file, name);
      if (!requirement.url.starts_with("http://") && !requirement.url.starts_with("https://")) {
        throw wrong(value, file, "url must begin with https:// or http://");
      }
    } else if (name == "command") {
      requirement.command = command_of(value, file);
    } else if (name == "hint") {
      requirement.hint = text_of(value, file, name);
    } else if (name == "seconds") {
      const auto seconds = value.value<std::int64_t>();
      if (!seconds || *seconds < 1 || *seconds > kMostSeconds) {
        throw wrong(value, file, fmt::format("seconds must be a whole number from 1 to {}", kMostSeconds));
      }
      requirement.seconds = static_cast<int>(*seconds);
    } else {
      throw wrong(value, file, "unknown key " + name)
          .hint("a requirement has the keys name, url or command, seconds and hint");
    }
  }
  if (requirement.name.empty()) {
    throw wrong(table, file, "a requirement needs the key name");
  }
  if (requirement.url.empty() == requirement.command.empty()) {
    throw wrong(table, file, "the requirement " + requirement.name + " needs either url or command");
  }
  return requirement;
}

/// Thrown by the receiver: the head of the answer is all that counts.
struct Answered {};

std::string probe_url(const Requirement& requirement, const std::stop_token& stop) {
  const std::chrono::seconds limit(requirement.seconds);
  net::ClientOptions options;
  options.attempts = 1;
  options.connect_timeout = limit;
  net::HttpClient client(options);
  std::stop_source source;
  const std::stop_callback forward(stop, [&source] { source.request_stop(); });
  const TimeLimit timer(source, limit);
  net::Request request;
  request.url = requirement.url;
  request.stop = source.get_token();
  const net::Receiver receiver{.begin = [](const net::Response&) { throw Answered(); },
                               .write = [](std::span<const std::byte>) {}};
  try {
    const auto response = client.send(request, &receiver);
    return response.status < 400 ? "" : fmt::format("{} answered with status {}", requirement.url, response.status);
  } catch (const Answered&) {
    return "";
  } catch (const Error& error) {
    if (stop.stop_requested()) {
      throw;
    }
    return error.kind() == ErrorKind::cancelled
               ? fmt::format("{} did not answer within {} s", requirement.url, requirement.seconds)
               : std::string(error.what());
  }
}

std::string probe_command(const Requirement& requirement) {
  constexpr int kTimedOut = 124;  // of timeout(1), which also ends what the command started
  std::vector<std::string> argv{"timeout", "--kill-after=1", std::to_string(requirement.seconds)};
  argv.insert(argv.end(), requirement.command.begin(), requirement.command.end());
  const auto result = run_command(argv);
  if (result.status == 0) {
    return "";
  }
  if (result.status == kTimedOut) {
    return fmt::format("{} did not end within {} s", requirement.command.front(), requirement.seconds);
  }
  const auto line = result.error.substr(0, result.error.find('\n'));
  return fmt::format("{} exited with {}{}", requirement.command.front(), result.status,
                     line.empty() ? "" : " (" + line + ")");
}

}  // namespace

std::vector<Requirement> parse_requirements(std::string_view text, const std::string& file) {
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorKind::invalid, std::string(error.description()))
        .at({file, static_cast<int>(error.source().begin.line), static_cast<int>(error.source().begin.column)});
  }
  std::vector<Requirement> requirements;
  for (const auto& [key, value] : table) {
    const auto* list = value.as_array();
    if (key.str() != "requirement" || list == nullptr) {
      throw wrong(value, file, "unknown key " + std::string(key.str()))
          .hint("requirements are written as [[requirement]]");
    }
    for (const auto& item : *list) {
      if (item.as_table() == nullptr) {
        throw wrong(item, file, "a requirement is a table: [[requirement]]");
      }
      auto one = parse_one(*item.as_table(), file);
      if (std::ranges::find(requirements, one.name, &Requirement::name) != requirements.end()) {
        throw wrong(item, file, "the requirement " + one.name + " is there twice");
      }
      requirements.push_back(std::move(one));
    }
  }
  return requirements;
}

std::string find_requirements_file(const std::filesystem::path& root) {
  const char* given = std::getenv("DLC_REQUIREMENTS");  // NOLINT(concurrency-mt-unsafe): never changed
  if (given != nullptr && *given != 0) {
    return given;
  }
  std::error_code ignored;
  const auto file = root / "base" / "requirements.toml";
  return std::filesystem::is_regular_file(file, ignored) ? file.lexically_normal().string() : std::string();
}

std::map<std::string, std::string> unmet_requirements(const std::set<std::string>& names,
                                                      const std::vector<Requirement>& known,
                                                      const std::stop_token& stop) {
  std::map<std::string, std::future<std::string>> probes;
  for (const auto& requirement : known) {
    if (names.contains(requirement.name)) {
      probes.emplace(requirement.name, std::async(std::launch::async, [&requirement, stop] {
                       const auto reason =
                           requirement.url.empty() ? probe_command(requirement) : probe_url(requirement, stop);
                       return reason.empty() || requirement.hint.empty() ? reason : reason + "; " + requirement.hint;
                     }));
    }
  }
  std::map<std::string, std::string> unmet;
  for (auto& [name, probe] : probes) {
    if (auto reason = probe.get(); !reason.empty()) {
      unmet.emplace(name, std::move(reason));
    }
  }
  return unmet;
}

}  // namespace dlc::build
