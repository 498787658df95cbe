#include "registry/challenge.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace dlc::registry {

namespace {

bool is_token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return result;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return done() ? '\0' : text_[at_]; }
  void skip() { ++at_; }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t') {
      skip();
    }
  }
  void skip_separators() {
    while (!done() && (peek() == ' ' || peek() == '\t' || peek() == ',')) {
      skip();
    }
  }
  std::string token() {
    const auto start = at_;
    while (!done() && is_token_char(text_[at_])) {
      ++at_;
    }
    return std::string(text_.substr(start, at_ - start));
  }
  /// A quoted string, with its backslashes taken out; nullopt where it never ends.
  std::optional<std::string> quoted() {
    std::string result;
    for (skip(); !done(); skip()) {
      if (peek() == '"') {
        skip();
        return result;
      }
      if (peek() == '\\') {
        skip();
      }
      result += peek();
    }
    return std::nullopt;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> result;
  Scanner scan(header);
  for (scan.skip_separators(); !scan.done(); scan.skip_separators()) {
    auto word = lower(scan.token());
    if (word.empty()) {
      break;
    }
    scan.skip_blanks();
    if (scan.peek() != '=') {
      result.push_back({std::move(word), {}});
      continue;
    }
    scan.skip();
    scan.skip_blanks();
    std::optional<std::string> value = scan.peek() == '"' ? scan.quoted() : scan.token();
    if (!value) {
      break;
    }
    if (!result.empty()) {
      result.back().parameters.emplace(std::move(word), std::move(*value));
    }
  }
  return result;
}

namespace {

/// How many labels two names share at their ends.
int shared_labels(std::string_view a, std::string_view b) {
  int count = 0;
  while (!a.empty() && !b.empty()) {
    const auto dot_a = a.rfind('.');
    const auto dot_b = b.rfind('.');
    const auto label = [](std::string_view name, std::size_t dot) {
      return dot == std::string_view::npos ? name : name.substr(dot + 1);
    };
    if (label(a, dot_a) != label(b, dot_b)) {
      break;
    }
    ++count;
    a = dot_a == std::string_view::npos ? std::string_view{} : a.substr(0, dot_a);
    b = dot_b == std::string_view::npos ? std::string_view{} : b.substr(0, dot_b);
  }
  return count;
}

/// Neighbours share a domain that someone owns: two labels, or three where the last two look like "co.uk". Without a
/// list of public suffixes this errs towards asking without credentials.
bool same_domain(const std::string& a, const std::string& b) {
  const auto last = a.rfind('.');
  if (last == std::string::npos || last == 0) {
    return false;
  }
  const auto second = a.rfind('.', last - 1);
  const auto start = second == std::string::npos ? 0 : second + 1;
  const bool country = a.size() - last - 1 == 2 && last - start <= 3;
  return shared_labels(a, b) >= (country ? 3 : 2);
}

bool is_known_pair(const std::string& registry, const std::string& realm) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kPairs{
      {{"nvcr.io", "authn.nvidia.com"}, {"registry.redhat.io", "sso.redhat.com"}}};
  return std::any_of(kPairs.begin(), kPairs.end(),
                     [&](const auto& pair) { return pair.first == registry && pair.second == realm; });
}

/// Anyone can have a name below these: neighbours there are strangers.
bool is_shared_hosting(const std::string& host) {
  constexpr std::array<std::string_view, 6> kSuffixes{".amazonaws.com", ".azurecr.io",   ".pkg.dev",
                                                      ".jfrog.io",      ".cloudapp.net", ".github.io"};
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](auto suffix) { return host.ends_with(suffix); });
}

}  // namespace

RealmTrust judge_realm(const net::Url& registry, const net::Url& realm, bool insecure_ok) {
  const bool same_host = registry.host == realm.host;
  if (realm.scheme != "https" && !(registry.scheme == "http" && (insecure_ok || same_host))) {
    return RealmTrust::refuse;
  }
  if (same_host) {
    return RealmTrust::full;
  }
  if (net::is_loopback(realm.host)) {
    return net::is_loopback(registry.host) ? RealmTrust::full : RealmTrust::refuse;
  }
  if (net::is_address(realm.host)) {
    return insecure_ok ? RealmTrust::anonymous : RealmTrust::refuse;
  }
  const bool neighbours = !is_shared_hosting(realm.host) && same_domain(registry.host, realm.host);
  return neighbours || is_known_pair(registry.host, realm.host) ? RealmTrust::full : RealmTrust::anonymous;
}

}  // namespace dlc::registry
