#include "build/git_url.h"

#include <algorithm>

#include "base/error.h"
#include "dockerfile/path.h"
#include "dockerfile/syntax.h"
#include "dockerfile/text.h"

namespace dlc::build {

namespace {

[[noreturn]] void fail(std::string message) {
  throw Error(ErrorKind::invalid, std::move(message));
}

int hex_value(char c) {
  c = dockerfile::to_lower(c);
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      result += text[i] == '+' && plus_is_blank ? ' ' : text[i];
    }
  }
  return result;
}

/// Cuts `text` at the first `mark`; what is behind it, or "".
std::string_view cut(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) {
    return {};
  }
  const auto tail = text.substr(at + 1);
  text = text.substr(0, at);
  return tail;
}

std::string clean_subdir(std::string_view text) {
  return dockerfile::clean_path("/" + std::string(text)).substr(1);
}

bool read_bool(const std::string& key, const std::string& value) {
  const auto word = dockerfile::lower(value);
  if (value.empty() || word == "true" || word == "1" || word == "t") {
    return true;
  }
  if (word != "false" && word != "0" && word != "f") {
    fail("invalid " + key + " value: " + dockerfile::quote(value));
  }
  return false;
}

void set_once(std::string& field, std::string value, const char* what) {
  if (!field.empty() && field != value) {
    fail(std::string(what) + " conflicts: " + dockerfile::quote(field) + " vs " + dockerfile::quote(value));
  }
  field = std::move(value);
}

std::string with_prefix(const std::string& prefix, const std::string& name) {
  return name.starts_with(prefix) ? name : prefix + name;
}

void read_parameter(GitUrl& url, const std::string& key, const std::string& value) {
  const bool is_switch = key == "keep-git-dir" || key == "submodules" || key == "fetch-by-commit";
  if (value.empty() && !is_switch) {
    fail("query " + dockerfile::quote(key) + " has no value");
  }
  if (key == "ref") {
    set_once(url.ref, value, "ref");
  } else if (key == "tag") {
    set_once(url.ref, with_prefix("refs/tags/", value), "ref");
  } else if (key == "branch") {
    set_once(url.ref, with_prefix("refs/heads/", value), "ref");
  } else if (key == "subdir") {
    set_once(url.subdir, clean_subdir(value), "subdir");
  } else if (key == "checksum" || key == "commit") {
    set_once(url.checksum, value, "checksum");
  } else if (key == "keep-git-dir") {
    url.keep_git_dir = read_bool(key, value);
  } else if (key == "submodules") {
    url.submodules = read_bool(key, value);
  } else if (key == "mtime") {
    if (value != "checkout" && value != "commit") {
      fail("invalid mtime value: " + dockerfile::quote(value) + " (must be \"checkout\" or \"commit\")");
    }
    url.commit_times = value == "commit";
  } else if (key == "fetch-by-commit") {
    static_cast<void>(read_bool(key, value));
  } else {
    fail("unexpected query " + dockerfile::quote(key));
  }
}

std::string_view scheme_of(std::string_view text) {
  const auto end = text.find("://");
  if (end == std::string_view::npos || end == 0) {
    return {};
  }
  const auto scheme = text.substr(0, end);
  const bool plain = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    c = dockerfile::to_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  return plain ? scheme : std::string_view();
}

/// "user@host:path", as ssh and git write it.
bool is_scp_style(std::string_view text) {
  const auto at = text.find('@');
  const auto colon = text.find(':', at == std::string_view::npos ? 0 : at);
  const auto is_name = [](std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      const char l = dockerfile::to_lower(c);
      return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    });
  };
  return at != std::string_view::npos && colon != std::string_view::npos && colon + 1 < text.size() &&
         is_name(text.substr(0, at)) && is_name(text.substr(at + 1, colon - at - 1));
}

}  // namespace

std::optional<GitUrl> parse_git_url(std::string_view text) {
  const auto scheme = dockerfile::lower(scheme_of(text));
  const bool web = scheme == "http" || scheme == "https";
  if (!web && scheme != "git" && scheme != "ssh" && (!scheme.empty() || !is_scp_style(text))) {
    return std::nullopt;
  }
  auto remote = text;
  auto fragment = cut(remote, '#');
  auto query = cut(remote, '?');
  if (web) {
    const auto host = remote.find("://") + 3;
    const auto path = remote.find('/', host);
    if (path == std::string_view::npos || !remote.substr(path).ends_with(".git")) {
      return std::nullopt;
    }
  }
  GitUrl url;
  url.remote = remote;
  const auto subdir = cut(fragment, ':');
  url.ref = fragment;
  url.subdir = subdir.empty() ? std::string() : clean_subdir(subdir);
  while (!query.empty()) {
    auto parameter = query;
    query = cut(parameter, '&');
    const auto value = cut(parameter, '=');
    read_parameter(url, percent_decoded(parameter, true), percent_decoded(value, true));
  }
  return url;
}

bool is_http_url(std::string_view text) {
  return (text.starts_with("http://") || text.starts_with("https://")) && !parse_git_url(text);
}

std::string url_filename(std::string_view url) {
  const auto start = url.find("://");
  auto rest = start == std::string_view::npos ? url : url.substr(start + 3);
  static_cast<void>(cut(rest, '#'));
  static_cast<void>(cut(rest, '?'));
  const auto path = rest.find('/');
  if (path == std::string_view::npos) {
    return "__unnamed__";
  }
  const auto clean = dockerfile::clean_path(percent_decoded(rest.substr(path), false));
  const auto name = clean.substr(clean.rfind('/') + 1);
  return name.empty() ? "__unnamed__" : name;
}

}  // namespace dlc::build
