#include "dockerfile/debian_package.h"

#include <fmt/format.h>

#include <algorithm>

namespace dlc::dockerfile {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_lower(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c);
}

bool is_letter_or_digit(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}

template <typename Class>
bool consists_of(std::string_view text, Class is_member, std::string_view more) {
  return !text.empty() &&
         std::ranges::all_of(text, [&](char c) { return is_member(c) || more.find(c) != std::string_view::npos; });
}

bool is_version(std::string_view version) {
  const auto colon = version.find(':');
  if (colon != std::string_view::npos) {
    if (!consists_of(version.substr(0, colon), is_digit, "")) {
      return false;
    }
    version.remove_prefix(colon + 1);
  }
  return consists_of(version, is_letter_or_digit, ".+~-:") && is_digit(version.front());
}

}  // namespace

DebianPackage split_package(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front()) {
    text = text.substr(1, text.size() - 2);
  }
  DebianPackage package;
  auto end = std::min(text.find_first_of("=/"), text.size());
  if (end < text.size()) {
    (text[end] == '=' ? package.version : package.release) = text.substr(end + 1);
  }
  text = text.substr(0, end);
  end = std::min(text.find(':'), text.size());
  if (end < text.size()) {
    package.architecture = text.substr(end + 1);
  }
  package.name = text.substr(0, end);
  return package;
}

std::string package_problem(const DebianPackage& package) {
  const auto& name = package.name;
  if (name.size() < 2 || !is_lower(name.front()) || !consists_of(name, is_lower, "+-.")) {
    return "a package's name has two or more of a-z, 0-9, `+`, `-` and `.`, and begins with a letter or digit";
  }
  if (name.ends_with('-')) {
    return fmt::format("apt-get install would remove {}: that is what a `-` behind a name means",
                       name.substr(0, name.find_last_not_of('-') + 1));
  }
  if (package.architecture && !consists_of(*package.architecture, is_lower, "-")) {
    return "an architecture, behind `:`, has a-z, 0-9 and `-`, such as i386";
  }
  if (package.version && !is_version(*package.version)) {
    return "a version, behind `=`, begins with a digit and has letters, digits, `.`, `+`, `~` and `-`, with an epoch "
           "`N:` before it where it has one";
  }
  if (package.release && !consists_of(*package.release, is_letter_or_digit, ".+~-")) {
    return "a release, behind `/`, has letters, digits and `-`, such as bookworm-backports";
  }
  return {};
}

bool satisfies(const DebianPackage& listed, const DebianPackage& wanted) {
  const auto fits = [](const auto& is, const auto& should) { return !should || is == should; };
  return listed.name == wanted.name && fits(listed.architecture, wanted.architecture) &&
         fits(listed.version, wanted.version) && fits(listed.release, wanted.release);
}

}  // namespace dlc::dockerfile
