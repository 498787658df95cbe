#include "cli/lock_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

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
  int number = 0;
  bool continues = false;
  bool known = false;  // the lines are those of the last package
  while (!text.empty()) {
    ++number;
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!continues) {
      auto package = package_of(line);
      known = !package.name.empty();
      package.first_line = number;
      if (known) {
        packages.push_back(std::move(package));
      }
    }
    if (known) {
      packages.back().last_line = number;
      packages.back().hashed = packages.back().hashed || line.find("--hash=") != std::string_view::npos;
    }
    continues = line.ends_with('\\');
  }
  return packages;
}

bool is_lock_file(std::string_view text) {
  const auto packages = locked_packages(text);
  return !packages.empty() && std::ranges::all_of(packages, &LockedPackage::hashed);
}

std::string lock_package(std::string_view text, const std::string& name, const std::string& version,
                         const std::vector<std::string>& hashes) {
  const std::string newline = text.find("\r\n") != std::string_view::npos ? "\r\n" : "\n";
  auto lines = name + "==" + version;
  for (const auto& hash : hashes) {
    lines += " \\" + newline + "    --hash=" + hash;
  }
  lines += newline;
  const auto packages = locked_packages(text);
  const auto wanted = normalized_name(name);
  const auto known = std::ranges::find(packages, wanted, &LockedPackage::name);
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
