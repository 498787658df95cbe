#include "contents/python_version.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <tuple>

#include "contents/text_lines.h"

namespace dlc::contents {

namespace {

/// Takes pieces off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) {
      return false;
    }
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    const auto result = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (result.ec != std::errc()) {
      return std::nullopt;
    }
    rest_.remove_prefix(static_cast<std::size_t>(result.ptr - rest_.data()));
    return value;
  }
  /// One of "-_." or nothing.
  void separator() {
    if (!rest_.empty() && std::string_view("-_.").find(rest_.front()) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }
  /// `word` after an optional separator, then an optional number (0 without): "-post3", "rc1".
  std::optional<std::uint64_t> suffix(std::initializer_list<std::string_view> words) {
    const auto before = rest_;
    separator();
    for (const auto word : words) {
      if (take(word)) {
        const auto behind = rest_;
        separator();
        const auto value = number();
        if (!value) {
          rest_ = behind;
        }
        return value.value_or(0);
      }
    }
    rest_ = before;
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

bool parse_release(Scanner& in, PythonVersion& version) {
  auto first = in.number();
  if (first && in.take("!")) {
    version.epoch = *first;
    first = in.number();
  }
  if (!first) {
    return false;
  }
  version.release.push_back(*first);
  while (in.rest().size() > 1 && in.rest()[0] == '.' && in.rest()[1] >= '0' && in.rest()[1] <= '9') {
    in.take(".");
    const auto part = in.number();
    if (!part) {
      return false;
    }
    version.release.push_back(*part);
  }
  return true;
}

void parse_suffixes(Scanner& in, PythonVersion& version) {
  if (const auto rc = in.suffix({"rc", "c", "preview", "pre"})) {
    version.pre = {2, *rc};
  } else if (const auto beta = in.suffix({"beta", "b"})) {
    version.pre = {1, *beta};
  } else if (const auto alpha = in.suffix({"alpha", "a"})) {
    version.pre = {0, *alpha};
  }
  version.post = in.suffix({"post", "rev", "r"});
  if (!version.post && in.rest().size() > 1 && in.rest()[0] == '-' && in.rest()[1] >= '0' && in.rest()[1] <= '9') {
    in.take("-");
    version.post = in.number();
  }
  version.dev = in.suffix({"dev"});
}

std::strong_ordering compare_release(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const auto order = (i < a.size() ? a[i] : 0) <=> (i < b.size() ? b[i] : 0);
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return std::strong_ordering::equal;
}

/// dev releases before pre-releases before the release.
std::pair<int, std::uint64_t> pre_key(const PythonVersion& version) {
  if (version.pre) {
    return *version.pre;
  }
  return {version.dev && !version.post ? -1 : 3, 0};
}

/// Numbers above words, a longer one above its beginning.
std::strong_ordering compare_local(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const auto number_of = [](const std::string& text) { return Scanner(text).number(); };
    const auto x = number_of(a[i]);
    const auto y = number_of(b[i]);
    const auto order = x && y                           ? *x <=> *y
                       : x.has_value() != y.has_value() ? x.has_value() <=> y.has_value()
                                                        : a[i].compare(b[i]) <=> 0;
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return a.size() <=> b.size();
}

bool has_prefix(const PythonVersion& version, const PythonVersion& prefix) {
  if (version.epoch != prefix.epoch) {
    return false;
  }
  for (std::size_t i = 0; i < prefix.release.size(); ++i) {
    if ((i < version.release.size() ? version.release[i] : 0) != prefix.release[i]) {
      return false;
    }
  }
  return true;
}

bool compatible(const PythonVersion& version, PythonVersion wanted) {
  if (wanted.release.size() < 2 || version.compare(wanted, false) < 0) {
    return false;
  }
  wanted.release.pop_back();
  return has_prefix(version, wanted);
}

bool same_release(const PythonVersion& a, const PythonVersion& b) {
  return a.epoch == b.epoch && compare_release(a.release, b.release) == std::strong_ordering::equal;
}

/// 1.0.post1 of 1.0, and 1.0a1.post1 of 1.0a1; but 1.0.post1 neither of 1.0a1 nor of 1.0.dev3.
bool is_post_release_of(const PythonVersion& version, const PythonVersion& other) {
  return version.post && !other.post && !other.dev && same_release(version, other) && version.pre == other.pre;
}

/// 1.0a1 and 1.0.dev1 of 1.0, and 1.0.post1.dev1 of 1.0.post1.
bool is_pre_release_of(const PythonVersion& version, const PythonVersion& other) {
  if (other.pre || other.dev || !same_release(version, other)) {
    return false;
  }
  return other.post ? version.post == other.post && version.dev : version.pre || version.dev;
}

/// ">1.0" means neither 1.0.post1 nor (by the order without local parts) 1.0+local, "<1.0" not 1.0rc1.
bool strictly(bool greater, const PythonVersion& version, const PythonVersion& wanted) {
  const auto order = version.compare(wanted, false);
  return greater ? order > 0 && !is_post_release_of(version, wanted) : order < 0 && !is_pre_release_of(version, wanted);
}

bool allows_one(std::string_view specifier, std::string_view text) {
  std::string_view op;
  for (const std::string_view candidate : {"===", "~=", "==", "!=", "<=", ">=", "<", ">"}) {
    if (specifier.starts_with(candidate)) {
      op = candidate;
      break;
    }
  }
  auto right = trim(specifier.substr(op.size()));
  const auto version = PythonVersion::parse(text);
  if (op == "===") {  // letter by letter, but with the version as pip writes it: it reads metadata so
    return lower(right) == (version ? version->str() : lower(trim(text)));
  }
  const bool wildcard = right.ends_with(".*");
  if (wildcard) {
    right.remove_suffix(2);
  }
  const auto wanted = PythonVersion::parse(right);
  if (op.empty() || !version || !wanted || (wildcard && op != "==" && op != "!=")) {
    return false;
  }
  if (op == "==" || op == "!=") {
    const bool equal = wildcard ? has_prefix(*version, *wanted)
                                : version->compare(*wanted, !wanted->local.empty()) == std::strong_ordering::equal;
    return equal == (op == "==");
  }
  if (op == "~=") {
    return compatible(*version, *wanted);
  }
  if (op == "<" || op == ">") {
    return strictly(op == ">", *version, *wanted);
  }
  const auto order = version->compare(*wanted, false);
  return op == "<=" ? order <= 0 : order >= 0;
}

}  // namespace

std::optional<PythonVersion> PythonVersion::parse(std::string_view text) {
  const auto plain = lower(trim(text));
  Scanner in(plain);
  in.take("v");
  PythonVersion version;
  if (!parse_release(in, version)) {
    return std::nullopt;
  }
  parse_suffixes(in, version);
  if (in.take("+")) {
    for (const auto part : split(in.rest(), "-_.")) {
      version.local.emplace_back(part);
    }
    return version.local.empty() ? std::nullopt : std::optional(version);
  }
  return in.done() ? std::optional(version) : std::nullopt;
}

std::string PythonVersion::str() const {
  static constexpr std::array kPre{"a", "b", "rc"};
  std::string text = epoch > 0 ? fmt::format("{}!", epoch) : "";
  text += fmt::format("{}", fmt::join(release, "."));
  text += pre ? fmt::format("{}{}", kPre.at(static_cast<std::size_t>(pre->first)), pre->second) : "";
  text += post ? fmt::format(".post{}", *post) : "";
  text += dev ? fmt::format(".dev{}", *dev) : "";
  for (std::size_t i = 0; i < local.size(); ++i) {
    const auto number = Scanner(local[i]).number();  // "+01" is written "+1"
    const bool all = local[i].find_first_not_of("0123456789") == std::string::npos;
    text += (i == 0 ? "+" : ".") + (all && number ? std::to_string(*number) : local[i]);
  }
  return text;
}

std::strong_ordering PythonVersion::compare(const PythonVersion& other, bool with_local) const {
  static constexpr auto kLast = std::numeric_limits<std::uint64_t>::max();
  if (const auto order = epoch <=> other.epoch; order != std::strong_ordering::equal) {
    return order;
  }
  if (const auto order = compare_release(release, other.release); order != std::strong_ordering::equal) {
    return order;
  }
  const auto key = [](const PythonVersion& v) {
    return std::tuple(pre_key(v), v.post.has_value(), v.post.value_or(0), v.dev.value_or(kLast));
  };
  if (const auto order = key(*this) <=> key(other); order != std::strong_ordering::equal) {
    return order;
  }
  return with_local ? compare_local(local, other.local) : std::strong_ordering::equal;
}

bool allows(std::string_view specifiers, std::string_view version) {
  const auto parts = split(specifiers, ",");
  return std::ranges::all_of(parts, [&](auto part) { return trim(part).empty() || allows_one(trim(part), version); });
}

}  // namespace dlc::contents
