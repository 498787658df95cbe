#include "dockerfile/duration.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/error.h"
#include "dockerfile/syntax.h"

namespace dlc::dockerfile {
namespace {

constexpr std::int64_t kMicrosecond = 1000;
constexpr std::int64_t kMillisecond = 1000 * kMicrosecond;
constexpr std::int64_t kSecond = 1000 * kMillisecond;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;

constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> kUnits{{{"ns", 1},
                                                                           {"us", kMicrosecond},
                                                                           {"\xc2\xb5s", kMicrosecond},
                                                                           {"\xce\xbcs", kMicrosecond},
                                                                           {"ms", kMillisecond},
                                                                           {"s", kSecond},
                                                                           {"m", kMinute},
                                                                           {"h", kHour}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "1", "0.5", ".5": whole part and fraction as digits.
struct Number {
  std::string_view whole, fraction;
};

Number take_number(std::string_view& text) {
  const auto digits = [&text] {
    const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
    const std::string_view taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(taken.size());
    return taken;
  };
  Number number{digits(), {}};
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    number.fraction = digits();
  }
  return number;
}

std::string with_fraction(std::int64_t value, std::int64_t unit) {
  std::string text = std::to_string(value / unit);
  std::string fraction = std::to_string(unit + value % unit).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return value % unit == 0 ? text : text + "." + fraction;
}

}  // namespace

std::int64_t parse_duration(std::string_view text) {
  const std::string shown = quote(text);
  const auto bad = [&shown](const char* what = "invalid duration ") {
    return Error(ErrorKind::invalid, std::string("time: ") + what + shown);
  };
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  if (text == "0") {
    return 0;
  }
  if (text.empty()) {
    throw bad();
  }
  // In 128 bits nothing below overflows: at most 18 digits are taken times the nanoseconds of an hour.
  __extension__ using Wide = __int128;
  Wide total = 0;
  while (!text.empty()) {
    const Number number = take_number(text);
    if ((number.whole.empty() && number.fraction.empty()) || number.whole.size() > 18) {
      throw bad();
    }
    const auto end = std::find_if(text.begin(), text.end(), [](char c) { return c == '.' || is_digit(c); });
    const std::string_view name = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    if (name.empty()) {
      throw bad("missing unit in duration ");
    }
    const auto* const unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) { return u.first == name; });
    if (unit == kUnits.end()) {
      throw Error(ErrorKind::invalid, "time: unknown unit " + quote(name) + " in duration " + shown);
    }
    text.remove_prefix(name.size());
    Wide value = 0;
    for (const char c : number.whole) {
      value = value * 10 + (c - '0');
    }
    total += value * unit->second;
    Wide part = 0;
    Wide scale = 1;
    for (const char c : number.fraction.substr(0, 15)) {
      part = part * 10 + (c - '0');
      scale *= 10;
    }
    part = part * unit->second / scale;
    total += part;
    if (total > std::numeric_limits<std::int64_t>::max()) {
      throw bad();
    }
  }
  return negative ? -static_cast<std::int64_t>(total) : static_cast<std::int64_t>(total);
}

std::string format_duration(std::int64_t nanoseconds) {
  if (nanoseconds == 0) {
    return "0s";
  }
  if (nanoseconds < 0) {
    return "-" + format_duration(-nanoseconds);
  }
  if (nanoseconds < kMicrosecond) {
    return std::to_string(nanoseconds) + "ns";
  }
  if (nanoseconds < kMillisecond) {
    return with_fraction(nanoseconds, kMicrosecond) + "\xc2\xb5s";
  }
  if (nanoseconds < kSecond) {
    return with_fraction(nanoseconds, kMillisecond) + "ms";
  }
  std::string text;
  if (nanoseconds >= kHour) {
    text += std::to_string(nanoseconds / kHour) + "h";
  }
  if (nanoseconds >= kMinute) {
    text += std::to_string(nanoseconds % kHour / kMinute) + "m";
  }
  return text + with_fraction(nanoseconds % kMinute, kSecond) + "s";
}

}  // namespace dlc::dockerfile
