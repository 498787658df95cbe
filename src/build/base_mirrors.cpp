#include "build/base_mirrors.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "base/files.h"

namespace dlc::build {

namespace {

constexpr std::string_view kDebianKeyring = "debian-archive-keyring";

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

using Stanza = std::map<std::string, std::string>;

void add_stanza(const Stanza& stanza, std::vector<AptSource>& sources) {
  const auto field = [&](const char* name) {
    const auto found = stanza.find(name);
    return found == stanza.end() ? std::string() : found->second;
  };
  const auto types = words_of(field("Types"));
  if (std::ranges::find(types, "deb") == types.end() || field("Enabled") == "no") {
    return;
  }
  const auto keyring = words_of(field("Signed-By"));
  for (const auto& uri : words_of(field("URIs"))) {
    for (const auto& suite : words_of(field("Suites"))) {
      // a key that stands in the file itself is no path
      sources.push_back({uri, suite, keyring.size() == 1 && keyring[0].starts_with('/') ? keyring[0] : ""});
    }
  }
}

/// "bookworm" of "bookworm-updates" and "bookworm-security".
std::string_view codename(std::string_view suite) {
  return suite.substr(0, suite.find_first_of("-/"));
}

bool is_debian(const AptSource& source) {
  // A mirror may have any host name, but Debian's archives are called debian and debian-security everywhere.
  const auto end = source.uri.find_last_not_of('/');
  const auto uri = std::string_view(source.uri).substr(0, end == std::string::npos ? 0 : end + 1);
  return uri.ends_with("/debian") || uri.ends_with("/debian-security");
}

}  // namespace

std::vector<AptSource> parse_one_line_sources(std::string_view text) {
  std::vector<AptSource> sources;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    line.resize(std::min(line.size(), line.find('#')));
    AptSource source;
    if (const auto open = line.find('['); open != std::string::npos) {
      const auto close = line.find(']', open);
      if (close == std::string::npos) {
        continue;
      }
      for (const auto& option : words_of(line.substr(open + 1, close - open - 1))) {
        if (option.starts_with("signed-by=")) {
          source.signed_by = option.substr(10);
        }
      }
      line.erase(open, close - open + 1);
    }
    const auto words = words_of(line);
    if (words.size() >= 3 && words[0] == "deb") {
      source.uri = words[1];
      source.suite = words[2];
      sources.push_back(source);
    }
  }
  return sources;
}

std::vector<AptSource> parse_deb822_sources(std::string_view text) {
  std::vector<AptSource> sources;
  Stanza stanza;
  std::string last;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) {
      continue;
    }
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      add_stanza(stanza, sources);
      stanza.clear();
    } else if (line[0] == ' ' || line[0] == '\t') {
      stanza[last] += line;
    } else if (const auto colon = line.find(':'); colon != std::string::npos) {
      last = line.substr(0, colon);
      const auto start = line.find_first_not_of(" \t", colon + 1);
      stanza[last] = start == std::string::npos ? "" : line.substr(start);
    }
  }
  add_stanza(stanza, sources);
  return sources;
}

std::vector<AptSource> read_apt_sources(const std::filesystem::path& apt) {
  std::vector<std::filesystem::path> files{apt / "sources.list"};
  std::error_code ignored;
  std::vector<std::filesystem::path> more;
  for (const auto& entry : std::filesystem::directory_iterator(apt / "sources.list.d", ignored)) {
    more.push_back(entry.path());
  }
  std::ranges::sort(more);
  files.insert(files.end(), more.begin(), more.end());
  std::vector<AptSource> sources;
  for (const auto& file : files) {
    if (!std::filesystem::is_regular_file(file, ignored)) {
      continue;
    }
    const bool deb822 = file.extension() == ".sources";
    if (!deb822 && file.extension() != ".list") {
      continue;
    }
    const auto text = read_file(file, 1 << 20);
    const auto found = deb822 ? parse_deb822_sources(text) : parse_one_line_sources(text);
    sources.insert(sources.end(), found.begin(), found.end());
  }
  return sources;
}

std::vector<std::string> mirror_lines(const std::vector<AptSource>& sources, std::string_view suite,
                                      const std::vector<std::string>& components) {
  std::string wanted_components;
  for (const auto& component : components) {
    wanted_components += " " + component;
  }
  const bool released = suite != "sid" && suite != "unstable";
  std::vector<std::string> lines;
  for (const auto& source : sources) {
    const auto name = codename(source.suite);
    const auto rest = std::string_view(source.suite).substr(name.size());
    const bool known = rest.empty() || rest == "-updates" || rest == "-security";
    if (!is_debian(source) || !known || (!released && !rest.empty())) {
      continue;
    }
    std::string line = "deb ";
    if (!source.signed_by.empty() && source.signed_by.find(kDebianKeyring) == std::string::npos) {
      line += "[signed-by=" + source.signed_by + "] ";
    }
    line += source.uri + " " + std::string(suite) + std::string(rest) + wanted_components;
    if (std::ranges::find(lines, line) == lines.end()) {
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace dlc::build
