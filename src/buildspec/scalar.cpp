#include "buildspec/scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <system_error>

namespace dlc::buildspec {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// Takes characters off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take_all(std::string_view any_of) {
    auto end = rest_.find_first_not_of(any_of);
    end = end == std::string_view::npos ? rest_.size() : end;
    const auto taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return taken;
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kDigitsAndBars = "0123456789_";

std::string without(std::string_view text, char c) {
  std::string kept(text);
  std::erase(kept, c);
  return kept;
}

/// Decimal text of a number with digits of any base up to 16.
std::string to_decimal(std::string_view digits, int base) {
  std::string decimal = "0";  // least significant digit first
  for (const char c : digits) {
    int carry = is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
    for (char& d : decimal) {
      const int value = (d - '0') * base + carry;
      d = static_cast<char>('0' + value % 10);
      carry = value / 10;
    }
    for (; carry > 0; carry /= 10) {
      decimal += static_cast<char>('0' + carry % 10);
    }
  }
  std::reverse(decimal.begin(), decimal.end());
  const auto first = decimal.find_first_not_of('0');
  return first == std::string::npos ? "0" : decimal.substr(first);
}

std::optional<Scalar> as_integer(std::string_view text) {
  constexpr std::size_t kLongest = 4096;  // to_decimal is quadratic
  Scanner scan(text);
  const bool negative = text.starts_with('-');
  scan.take("+-");
  int base = 10;
  std::string_view allowed = kDigitsAndBars;
  if (const auto prefix = scan.rest().substr(0, 2); prefix == "0x") {
    base = 16;
    allowed = "0123456789abcdefABCDEF_";
  } else if (prefix == "0o") {
    base = 8;
    allowed = "01234567_";
  } else if (prefix == "0b") {
    base = 2;
    allowed = "01_";
  }
  auto body = base == 10 ? scan.rest() : scan.rest().substr(2);
  if (body.find_first_not_of(allowed) != std::string_view::npos || body.size() > kLongest) {
    return std::nullopt;
  }
  const std::string digits = without(body, '_');
  if (digits.empty() || (base == 10 && body.front() == '_' && text.front() == '_')) {
    return std::nullopt;
  }
  Scalar scalar{Kind::integer, to_decimal(digits, base), 0};
  if (negative && scalar.text != "0") {
    scalar.text.insert(0, 1, '-');
  }
  std::from_chars(scalar.text.data(), scalar.text.data() + scalar.text.size(), scalar.number);
  return scalar;
}

/// Whether the text has the form of a float: 1.5, 1., .5, 1e3, with `_` between digits.
bool float_form(std::string_view text) {
  Scanner scan(text);
  scan.take("+-");
  const bool leading = !scan.rest().empty() && is_digit(scan.rest().front());
  if (leading) {
    scan.take_all(kDigitsAndBars);
  }
  const bool point = scan.take(".");
  if (!leading && !point) {
    return false;
  }
  if (point) {
    const auto fraction = scan.take_all(kDigitsAndBars);
    if (!leading && fraction.find_first_of(kDigits) == std::string_view::npos) {
      return false;
    }
  }
  if (scan.done()) {
    return point;
  }
  if (!scan.take("eE")) {
    return false;
  }
  const bool sign = scan.take("+-");
  return (sign || leading) && !scan.take_all(kDigits).empty() && scan.done();
}

std::optional<Scalar> as_float(std::string_view text) {
  const bool negative = text.starts_with('-');
  auto body = text;
  if (body.starts_with('-') || body.starts_with('+')) {
    body.remove_prefix(1);
  }
  double value = 0;
  if (one_of(body, {".inf", ".Inf", ".INF"})) {
    value = HUGE_VAL;
  } else if (one_of(text, {".nan", ".NaN", ".NAN"})) {
    value = std::nan("");
  } else if (float_form(text)) {
    const std::string digits = without(body, '_');
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range) {
      const auto exponent = digits.find_first_of("eE");
      const bool tiny = exponent != std::string::npos && digits.find('-', exponent) != std::string::npos;
      value = tiny ? 0 : HUGE_VAL;
    }
  } else {
    return std::nullopt;
  }
  value = negative ? -value : value;
  return Scalar{Kind::floating, python_float(value), value};
}

std::optional<int> number(std::string_view digits, std::size_t least, std::size_t most) {
  if (digits.size() < least || digits.size() > most) {
    return std::nullopt;
  }
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

Scalar date_of(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  return {date.ok() ? Kind::date : Kind::bad, fmt::format("{:04}-{:02}-{:02}", year, month, day), 0};
}

/// The zone of a timestamp in minutes east; nullopt where the text is no zone.
std::optional<int> zone_minutes(Scanner& scan) {
  scan.take_all(" \t");
  if (scan.done() || scan.take("Z")) {
    return scan.done() ? std::optional(0) : std::nullopt;
  }
  const int sign = scan.rest().front() == '-' ? -1 : 1;
  if (!scan.take("+-")) {
    return std::nullopt;
  }
  const auto hours = number(scan.take_all(kDigits), 1, 2);
  std::optional<int> minutes = 0;
  if (scan.take(":")) {
    minutes = number(scan.take_all(kDigits), 2, 2);
  }
  if (!hours || !minutes || !scan.done()) {
    return std::nullopt;
  }
  return sign * (*hours * 60 + *minutes);
}

std::optional<Scalar> time_of(Scanner& scan, const Scalar& date, int year, int month, int day) {
  const bool t = scan.take("Tt");
  if (!t && scan.take_all(" \t").empty()) {
    return std::nullopt;
  }
  const auto hour = number(scan.take_all(kDigits), 1, 2);
  const bool colon = scan.take(":");
  const auto minute = number(scan.take_all(kDigits), 2, 2);
  const bool colon2 = scan.take(":");
  const auto second = number(scan.take_all(kDigits), 2, 2);
  if (!hour || !minute || !second || !colon || !colon2) {
    return std::nullopt;
  }
  std::string fraction;
  if (scan.take(".")) {
    fraction = std::string(scan.take_all(kDigits));
    fraction.resize(6, '0');
  }
  const auto zone = zone_minutes(scan);
  if (!zone) {
    return std::nullopt;
  }
  if (date.kind == Kind::bad || *hour > 23 || *minute > 59 || *second > 59) {
    return Scalar{Kind::bad, date.text, 0};
  }
  namespace chrono = std::chrono;
  const chrono::sys_days days =
      chrono::year(year) / chrono::month(static_cast<unsigned>(month)) / chrono::day(static_cast<unsigned>(day));
  const auto when =
      days + chrono::hours(*hour) + chrono::minutes(*minute) + chrono::seconds(*second) - chrono::minutes(*zone);
  const auto whole = chrono::floor<chrono::days>(when);
  const chrono::year_month_day utc{whole};
  const auto clock = static_cast<int>((when - whole).count());
  std::string text = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(utc.year()),
                                 static_cast<unsigned>(utc.month()), static_cast<unsigned>(utc.day()), clock / 3600,
                                 clock / 60 % 60, clock % 60);
  if (fraction.find_first_not_of('0') != std::string::npos) {
    text += "." + fraction;
  }
  return Scalar{Kind::date, std::move(text), 0};
}

std::optional<Scalar> as_date(std::string_view text) {
  Scanner scan(text);
  const auto year = number(scan.take_all(kDigits), 4, 4);
  if (!year || !scan.take("-")) {
    return std::nullopt;
  }
  const auto month_digits = scan.take_all(kDigits);
  if (!scan.take("-")) {
    return std::nullopt;
  }
  const auto day_digits = scan.take_all(kDigits);
  const auto month = number(month_digits, 1, 2);
  const auto day = number(day_digits, 1, 2);
  if (!month || !day) {
    return std::nullopt;
  }
  const Scalar date = date_of(*year, *month, *day);
  if (scan.done()) {
    return month_digits.size() == 2 && day_digits.size() == 2 ? std::optional(date) : std::nullopt;
  }
  return time_of(scan, date, *year, *month, *day);
}

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  std::array<char, 64> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data()));
  const auto e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + 1 + (text[e + 1] == '+' ? 1 : 0);
  std::from_chars(digits, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}e{}{:02}", text.substr(0, e), exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  const auto fixed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  std::string plain(buffer.data(), fixed.ptr);
  return plain.find('.') == std::string::npos ? plain + ".0" : plain;
}

Scalar typed(std::string_view plain) {
  if (one_of(plain, {"", "~", "null", "Null", "NULL"})) {
    return {Kind::null, "None", 0};
  }
  if (one_of(plain, {"true", "True", "TRUE"})) {
    return {Kind::boolean, "True", 1};
  }
  if (one_of(plain, {"false", "False", "FALSE"})) {
    return {Kind::boolean, "False", 0};
  }
  if (const char first = plain.front(); is_digit(first) || first == '+' || first == '-' || first == '.') {
    for (const auto& as : {as_float, as_integer, as_date}) {
      if (auto scalar = as(plain)) {
        return std::move(*scalar);
      }
    }
  }
  return {Kind::string, std::string(plain), 0};
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "a whole number";
    case Kind::floating:
      return "a number";
    case Kind::date:
      return "a date";
    case Kind::string:
      return "text";
    case Kind::sequence:
      return "a list";
    case Kind::mapping:
      return "a map";
    case Kind::bad:
      return "unusable";
  }
  return "";
}

}  // namespace dlc::buildspec
