#include "cli/lock_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace dlc::cli {

namespace {

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
}

std::size_t line_begin(std::string_view text, int line) {
  std::size_t begin = 0;
  for (int i = 1; i < line && begin < text.size(); ++i) {
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  return begin;
}

/// "name[extra]==1.2 ; marker \" as a package without lines; an empty name: it is none.
LockedPackage package_of(std::string_view line) {
  LockedPackage package;
  const auto equals = line.find("==");
  if (equals == std::string_view::npos || line.starts_with('#') || line.starts_with('-')) {
    return package;
  }
  const auto name = trimmed(line.substr(0, std::min(equals, line.find('['))));
  const auto rest = trimmed(line.substr(equals + 2));
  package.name = normalized_name(name);
  package.version = rest.substr(0, rest.find_first_of(" \t;\\"));
  return package;
}

/// Lines that end with `\` joined with what follows, trimmed.
struct LogicalLine {
  std::string text;
  int first = 0;  ///< from 1
  int last = 0;
};

std::vector<LogicalLine> logical_lines(std::string_view text) {
  std::vector<LogicalLine> lines;
  int number = 0;
  bool continues = false;
  while (!text.empty()) {
    ++number;
    const auto end = std::min(text.find('\n'), text.size());
    auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!continues) {
      lines.push_back({.text = {}, .first = number, .last = number});
    }
    continues = line.ends_with('\\') && !line.starts_with('#');
    line = trimmed(line.substr(0, line.size() - (continues ? 1 : 0)));
    lines.back().text += (lines.back().text.empty() ? "" : " ") + std::string(line);
    lines.back().last = number;
  }
  return lines;
}

std::string logical_line(std::string_view text, int first) {
  const auto lines = logical_lines(text);
  return std::ranges::find(lines, first, &LogicalLine::first)->text;
}

bool is_hashed(std::string_view line) {
  return !line.starts_with('#') && line.substr(0, line.find(" #")).find("--hash=") != std::string_view::npos;
}

/// "name[extra]==1.0 ; marker --hash=..." with another version and no hash.
std::string with_version(std::string_view line, const std::string& version) {
  line = trimmed(line.substr(0, line.find("--hash=")));
  const auto begin = std::min(line.find_first_not_of(" \t", line.find("==") + 2), line.size());
  const auto end = std::min(line.find_first_of(" \t;", begin), line.size());
  return fmt::format("{}{}{}", line.substr(0, begin), version, line.substr(end));
}

}  // namespace

std::string normalized_name(std::string_view name) {
  std::string result;
  for (const char c : name) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (!separator) {
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!result.ends_with('-')) {
      result += '-';
    }
  }
  return result;
}

std::vector<LockedPackage> locked_packages(std::string_view text) {
  std::vector<LockedPackage> packages;
  for (const auto& line : logical_lines(text)) {
    if (auto package = package_of(line.text); !package.name.empty()) {
      package.first_line = line.first;
      package.last_line = line.last;
      package.hashed = is_hashed(line.text);
      packages.push_back(std::move(package));
    }
  }
  return packages;
}

bool is_lock_file(std::string_view text) {
  return std::ranges::any_of(logical_lines(text), [](const auto& line) { return is_hashed(line.text); });
}

void check_lock_file(std::string_view text, const std::string& path) {
  for (const auto& line : logical_lines(text)) {
    const auto fail = [&](const std::string& what, const std::string& hint) {
      throw Error(ErrorKind::invalid, what).at({path, line.first, 1}).hint(hint);
    };
    if (line.text.starts_with("--hash")) {
      fail("this hash belongs to no package", "the line above must end with ` \\`");
    }
    if (line.text.empty() || line.text.starts_with('#') || line.text.starts_with('-')) {
      continue;
    }
    const auto name = line.text.substr(0, line.text.find_first_of(" \t"));
    if (!is_hashed(line.text)) {
      fail(fmt::format("{} has no hash, unlike others of this lock file", name),
           "pip installs none of the file then: give it --hash=sha256:..., or take the line out");
    }
    if (package_of(line.text).name.empty() && line.text.find("://") == std::string::npos) {
      fail(fmt::format("{} has no version (name==version), unlike others of this lock file", name),
           "pip --require-hashes takes exact versions only");
    }
  }
}

std::string lock_package(std::string_view text, const std::string& name, const std::string& version,
                         const std::vector<std::string>& hashes) {
  const std::string newline = text.find("\r\n") != std::string_view::npos ? "\r\n" : "\n";
  const auto packages = locked_packages(text);
  const auto wanted = normalized_name(name);
  const auto known = std::ranges::find(packages, wanted, &LockedPackage::name);
  auto lines =
      known != packages.end() ? with_version(logical_line(text, known->first_line), version) : name + "==" + version;
  for (const auto& hash : hashes) {
    lines += " \\" + newline + "    --hash=" + hash;
  }
  lines += newline;
  if (known != packages.end()) {
    return std::string(text.substr(0, line_begin(text, known->first_line))) + lines +
           std::string(text.substr(line_begin(text, known->last_line + 1)));
  }
  std::size_t at = text.size();
  if (std::ranges::is_sorted(packages, {}, &LockedPackage::name)) {
    const auto next = std::ranges::find_if(packages, [&](const auto& package) { return wanted < package.name; });
    if (next != packages.end()) {  // below the one before it: comments above the next one stay with it
      at = next == packages.begin() ? line_begin(text, next->first_line) : line_begin(text, (next - 1)->last_line + 1);
    } else if (!packages.empty()) {
      at = line_begin(text, packages.back().last_line + 1);
    }
  }
  const bool unended = at == text.size() && !text.empty() && !text.ends_with('\n');
  return std::string(text.substr(0, at)) + (unended ? newline : "") + lines + std::string(text.substr(at));
}

}  // namespace dlc::cli
