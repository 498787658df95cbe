#include <charconv>

#include "base/error.h"
#include "build/copier.h"

namespace dlc::build {

namespace {

constexpr std::uint32_t kAll = 0777;

[[noreturn]] void bad_mode(std::string_view text) {
  throw Error(ErrorKind::invalid, "invalid chmod parameter: '" + std::string(text) + "'")
      .hint("it should be octal (0755) or symbolic (u=rwX,go=rX)");
}

std::uint32_t who_bits(char who) {
  switch (who) {
    case 'u':
      return 0700;
    case 'g':
      return 0070;
    case 'o':
      return 0007;
    case 'a':
      return kAll;
    default:
      return 0;
  }
}

}  // namespace

ChangeMode::ChangeMode(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error == std::errc() && end == text.data() + text.size() && value <= 07777) {
    octal_ = value;
    return;
  }
  std::string_view rest = text;
  while (true) {
    const auto comma = rest.find(',');
    auto part = rest.substr(0, comma);
    std::uint32_t who = 0;
    while (!part.empty() && who_bits(part.front()) != 0) {
      who |= who_bits(part.front());
      part.remove_prefix(1);
    }
    if (part.empty()) {
      bad_mode(text);
    }
    while (!part.empty()) {
      const char operation = part.front();
      if (operation != '+' && operation != '-' && operation != '=') {
        bad_mode(text);
      }
      part.remove_prefix(1);
      const auto length = std::min(part.find_first_not_of("rwxXstugo"), part.size());
      clauses_.push_back(
          {.who = who == 0 ? kAll : who, .operation = operation, .permissions = std::string(part.substr(0, length))});
      part.remove_prefix(length);
    }
    if (comma == std::string_view::npos) {
      return;
    }
    rest = rest.substr(comma + 1);
  }
}

std::uint32_t ChangeMode::apply(std::uint32_t mode, bool directory) const {
  if (octal_) {
    return *octal_;
  }
  for (const auto& clause : clauses_) {
    std::uint32_t bits = 0;
    for (const char permission : clause.permissions) {
      const std::uint32_t copied_from = who_bits(permission);
      if (copied_from != 0) {
        const std::uint32_t of = mode & copied_from;
        const std::uint32_t low = (of | of >> 3 | of >> 6) & 7;
        bits |= (low * 0111) & clause.who;
      }
      bits |= permission == 'r' ? 0444 & clause.who : 0;
      bits |= permission == 'w' ? 0222 & clause.who : 0;
      bits |= permission == 'x' ? 0111 & clause.who : 0;
      bits |= permission == 'X' && (directory || (mode & 0111) != 0) ? 0111 & clause.who : 0;
      bits |= permission == 't' ? 01000 : 0;
      bits |= permission == 's' && (clause.who & 0700) != 0 ? 04000 : 0;
      bits |= permission == 's' && (clause.who & 0070) != 0 ? 02000 : 0;
    }
    switch (clause.operation) {
      case '+':
        mode |= bits;
        break;
      case '-':
        mode &= ~bits;
        break;
      default:
        mode = (mode & ~clause.who) | bits;
        break;
    }
  }
  return mode;
}

}  // namespace dlc::build
