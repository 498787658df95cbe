#include "verify/secret_text.h"

#include <algorithm>

#include "contents/text_lines.h"

namespace dlc::verify {

namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_base64(char c) {
  return is_alphanumeric(c) || c == '+' || c == '/' || c == '=';
}

struct Form {
  std::string_view prefix;
  std::size_t length;  ///< of what follows the prefix
  bool (*accepts)(char);
  const char* what;
};

bool is_base32(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
}

bool is_word(char c) {
  return is_alphanumeric(c) || c == '_';
}

bool is_dashed(char c) {
  return is_alphanumeric(c) || c == '-';
}

constexpr Form kForms[] = {
    {"AKIA", 16, is_base32, "an AWS access key"},
    {"ASIA", 16, is_base32, "an AWS session key"},
    {"ghp_", 36, is_alphanumeric, "a GitHub token"},
    {"github_pat_", 82, is_word, "a GitHub token"},
    {"hf_", 34, is_alphanumeric, "a Hugging Face token"},
    {"pypi-AgEIcHlwaS5vcmc", 50, is_word, "a PyPI token"},
    {"npm_", 36, is_alphanumeric, "an npm token"},
    {"xoxb-", 45, is_dashed, "a Slack token"},
    {"xoxp-", 45, is_dashed, "a Slack token"},
};

bool has_form(std::string_view text, const Form& form) {
  for (auto at = text.find(form.prefix); at != std::string_view::npos; at = text.find(form.prefix, at + 1)) {
    const auto rest = text.substr(at + form.prefix.size());
    const auto length = static_cast<std::size_t>(std::ranges::find_if_not(rest, form.accepts) - rest.begin());
    const bool bounded = (at == 0 || !is_word(text[at - 1])) && length >= form.length &&
                         (length == form.length || form.length > 40) &&
                         (rest.size() == length || !is_word(rest[length]));
    // Sixteen of one letter and the like stand in documentation.
    const bool made_up =
        rest.substr(0, length).ends_with("EXAMPLE") ||
        std::ranges::all_of(rest.substr(0, length), [&](char c) { return c == rest.front() || c == '-'; });
    if (bounded && !made_up) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool has_private_key(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "PRIVATE KEY-----";
  constexpr std::size_t kLine = 40;
  for (auto at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at + 1)) {
    // In JSON and the like, a service account's file say, line ends are written as escapes.
    const auto plain = contents::replaced(std::string(text.substr(at, 8192)), {"\\\\n", "\\r", "\\n"}, "\n");
    const std::string_view rest = plain;
    const auto line_end = rest.find('\n');
    if (line_end == std::string_view::npos || rest.substr(0, line_end).find(kEnd) == std::string_view::npos) {
      continue;
    }
    for (const auto line : contents::lines_of(rest.substr(line_end + 1))) {
      if (line.starts_with("-----")) {
        break;
      }
      if (line.size() >= kLine && std::ranges::all_of(contents::trim(line), is_base64)) {
        return true;
      }
    }
  }
  return false;
}

bool has_url_password(std::string_view text) {
  for (auto at = text.find("://"); at != std::string_view::npos; at = text.find("://", at + 1)) {
    const auto rest = text.substr(at + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?# \t\n\"'"));
    const auto who = authority.substr(0, authority.rfind('@'));
    const auto colon = who.find(':');
    if (who.size() == authority.size() || colon == std::string_view::npos || colon + 1 == who.size()) {
      continue;
    }
    // A variable or a blank to fill in is no password.
    if (std::string_view("$<{*%").find(who[colon + 1]) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

std::string access_key_in(std::string_view text) {
  for (const auto& form : kForms) {
    if (has_form(text, form)) {
      return form.what;
    }
  }
  return "";
}

}  // namespace dlc::verify
