#include "build/requirements.h"

#include <fmt/format.h>

#include <cstdlib>
#include <future>

#include "base/process.h"
#include "build/timed_request.h"
#include "build/toml_tables.h"

namespace dlc::build {

namespace {

constexpr int kMostSeconds = 600;

std::string text_of(const TomlValue& value, const std::string& key) {
  if (!value.text || value.text->empty()) {
    throw value.wrong(key + " must be a text in quotes");
  }
  return *value.text;
}

std::vector<std::string> command_of(const TomlValue& value) {
  std::vector<std::string> words;
  for (const auto& word : value.list.value_or(std::vector<TomlValue>())) {
    words.push_back(text_of(word, "command"));
  }
  if (words.empty()) {
    throw value.wrong("command must be a list of words").hint("such as command = [\"test\", \"-e\", \"/dev/x\"]");
  }
  return words;
}

Requirement parse_one(const TomlTable& table) {
  Requirement requirement;
  requirement.where = table.where;
  for (const auto& [key, value] : table.entries) {
    if (key == "name") {
      requirement.name = text_of(value, key);
    } else if (key == "url") {
      requirement.url = text_of(value, key);
      if (!requirement.url.starts_with("http://") && !requirement.url.starts_with("https://")) {
        throw value.wrong("url must begin with https:// or http://");
      }
    } else if (key == "command") {
      requirement.command = command_of(value);
    } else if (key == "hint") {
      requirement.hint = text_of(value, key);
    } else if (key == "seconds") {
      if (!value.number || *value.number < 1 || *value.number > kMostSeconds) {
        throw value.wrong(fmt::format("seconds must be a whole number from 1 to {}", kMostSeconds));
      }
      requirement.seconds = static_cast<int>(*value.number);
    } else {
      throw value.wrong("unknown key " + key).hint("a requirement has the keys name, url or command, seconds and hint");
    }
  }
  if (requirement.name.empty()) {
    throw table.wrong("a requirement needs the key name");
  }
  if (requirement.url.empty() == requirement.command.empty()) {
    throw table.wrong("the requirement " + requirement.name + " needs either url or command");
  }
  return requirement;
}

/// Thrown by the receiver: the head of the answer is all that counts.
struct Answered {};

std::string probe_url(const Requirement& requirement, const std::stop_token& stop) {
  const net::Receiver receiver{.begin = [](const net::Response&) { throw Answered(); },
                               .write = [](std::span<const std::byte>) {}};
  try {
    const auto response = get_within(std::chrono::seconds(requirement.seconds), requirement.url, stop, &receiver);
    return response.status < 400 ? "" : fmt::format("{} answered with status {}", requirement.url, response.status);
  } catch (const Answered&) {
    return "";
  } catch (const Error& error) {
    if (stop.stop_requested()) {
      throw;
    }
    return error.what();
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
  return parse_named_items<Requirement>(text, file, "requirement", parse_one);
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
