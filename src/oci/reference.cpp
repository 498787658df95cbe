// Docker's reference grammar (distribution "reference" package: grammar in its documentation), by hand: no regular
// expression engine, linear time.
#include "oci/reference.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace dlc::oci {

namespace {

constexpr std::string_view kDefaultRegistry = "docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kMaxName = 255;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}
bool has_upper(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// One part of a path: runs of [a-z0-9]+ joined by ".", "_", "__" or any number of "-".
bool is_path_component(std::string_view text) {
  std::size_t i = 0;
  while (true) {
    const auto start = i;
    while (i < text.size() && is_lower_alnum(text[i])) {
      ++i;
    }
    if (i == start) {
      return false;  // empty, or a separator at the start, the end or beside another
    }
    if (i == text.size()) {
      return true;
    }
    const auto separator = i;
    while (i < text.size() && text[i] == text[separator] && !is_lower_alnum(text[i])) {
      ++i;
    }
    const auto length = i - separator;
    const char c = text[separator];
    const bool good = (c == '.' && length == 1) || (c == '_' && length <= 2) || c == '-';
    if (!good) {
      return false;
    }
  }
}

bool is_path(std::string_view text) {
  while (true) {
    const auto slash = text.find('/');
    if (!is_path_component(text.substr(0, slash))) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(slash + 1);
  }
}

bool is_domain_component(std::string_view text) {
  return !text.empty() && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_registry(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close == 1) {
      return false;
    }
    const auto address = text.substr(1, close - 1);
    if (!std::all_of(address.begin(), address.end(),
                     [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':'; })) {
      return false;
    }
    if (close + 1 == text.size()) {
      return true;
    }
    if (text[close + 1] != ':') {
      return false;
    }
    has_port = true;
    port = text.substr(close + 2);
    host = {};
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    has_port = true;
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (host.empty() && !text.starts_with('[')) {
    return false;
  }
  if (has_port && (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)) {
    return false;
  }
  while (!host.empty()) {
    const auto dot = host.find('.');
    if (!is_domain_component(host.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      break;
    }
    host.remove_prefix(dot + 1);
    if (host.empty()) {
      return false;
    }
  }
  return true;
}

[[noreturn]] void refuse(std::string_view text, std::string_view detail) {
  std::string message = "invalid reference format";
  if (!detail.empty()) {
    message += ": ";
    message += detail;
  }
  throw Error(ErrorKind::invalid, message + " (\"" + std::string(text) + "\")")
      .hint("expected [registry[:port]/]name[:tag][@sha256:digest]");
}

/// Whether the text before the first "/" names a registry rather than a part of the path.
bool names_registry(std::string_view first) {
  return first.find_first_of(".:") != std::string_view::npos || first == "localhost" || has_upper(first);
}

void split_registry(Reference& reference, std::string_view name) {
  const auto slash = name.find('/');
  if (slash != std::string_view::npos && names_registry(name.substr(0, slash))) {
    reference.registry = name.substr(0, slash);
    reference.path = name.substr(slash + 1);
  } else {
    reference.registry = kDefaultRegistry;
    reference.path = name;
  }
  if (reference.registry == "index.docker.io") {
    reference.registry = kDefaultRegistry;
  }
  if (reference.registry == kDefaultRegistry && reference.path.find('/') == std::string::npos) {
    reference.path.insert(0, kOfficialPrefix);
  }
}

}  // namespace

bool is_tag(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 128 && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

Reference parse_reference(std::string_view text) {
  Reference reference;
  std::string_view name = text;
  if (const auto at = name.find('@'); at != std::string_view::npos) {
    const auto digest = codec::Digest::try_parse(name.substr(at + 1));
    if (!digest) {
      refuse(text, "the part behind @ is no sha256 digest");
    }
    reference.digest = digest;
    name = name.substr(0, at);
  }
  const auto colon = name.rfind(':');
  const auto slash = name.rfind('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    const auto tag = name.substr(colon + 1);
    if (!is_tag(tag)) {
      refuse(text, "\"" + std::string(tag) + "\" is no tag");
    }
    reference.tag = tag;
    name = name.substr(0, colon);
  }
  if (name.empty()) {
    refuse(text, "");
  }
  if (name.size() == 64 && codec::Digest::from_hex(name)) {
    throw Error(ErrorKind::invalid,
                "invalid repository name (" + std::string(name) + "), cannot specify 64-byte hexadecimal strings");
  }
  split_registry(reference, name);
  if (!is_registry(reference.registry)) {
    refuse(text, "");
  }
  if (has_upper(reference.path)) {
    refuse(text, "repository name (" + reference.path + ") must be lowercase");
  }
  if (!is_path(reference.path)) {
    refuse(text, "");
  }
  if (reference.registry.size() + 1 + reference.path.size() > kMaxName) {
    refuse(text, "repository name must not be more than 255 characters");
  }
  if (reference.tag.empty() && !reference.digest) {
    reference.tag = "latest";
  }
  return reference;
}

std::string Reference::repository() const {
  return registry + "/" + path;
}

namespace {

std::string with_suffix(std::string text, const Reference& reference) {
  if (!reference.tag.empty()) {
    text += ":" + reference.tag;
  }
  if (reference.digest) {
    text += "@" + reference.digest->str();
  }
  return text;
}

}  // namespace

std::string Reference::str() const {
  return with_suffix(repository(), *this);
}

std::string Reference::familiar() const {
  if (registry != kDefaultRegistry) {
    return str();
  }
  std::string_view name = path;
  if (name.starts_with(kOfficialPrefix) && name.find('/', kOfficialPrefix.size()) == std::string_view::npos) {
    name.remove_prefix(kOfficialPrefix.size());
  }
  return with_suffix(std::string(name), *this);
}

}  // namespace dlc::oci
