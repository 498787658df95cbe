#include "codec/tar_format.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"

namespace dlc::codec::tar {

namespace {

constexpr std::uint32_t kNanoseconds = 1'000'000'000;

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorKind::corrupt, "damaged tar archive: " + why);
}

/// Two's complement, big endian; the top bit of the first byte only marks the form.
std::int64_t base_256(std::string_view bytes, const char* what) {
  const bool negative = (bytes[0] & 0x40) != 0;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto byte = static_cast<std::uint8_t>(bytes[i]);
    if (i == 0) {
      byte = negative ? byte : byte & 0x7f;
    }
    const std::uint64_t spill = value >> 55;  // the byte to be lost and the sign
    if (spill != 0 && spill != 0x1ff) {
      fail(std::string(what) + " is out of range");
    }
    value = value << 8 | byte;
  }
  const auto result = static_cast<std::int64_t>(value);
  if ((result < 0) != negative) {
    fail(std::string(what) + " is out of range");
  }
  return result;
}

std::uint64_t sum(const Block& block, bool as_signed) {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool blank = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    const char byte = blank ? ' ' : block[i];
    total += as_signed ? static_cast<signed char>(byte) : static_cast<unsigned char>(byte);
  }
  return static_cast<std::uint64_t>(total);
}

}  // namespace

std::string_view field(const Block& block, Field where) {
  return {block.data() + where.offset, where.size};
}

std::string_view text(const Block& block, Field where) {
  const auto all = field(block, where);
  return all.substr(0, all.find('\0'));
}

std::int64_t number(std::string_view bytes, const char* what) {
  if (!bytes.empty() && (bytes[0] & 0x80) != 0) {
    return base_256(bytes, what);
  }
  std::size_t i = 0;
  while (i < bytes.size() && (bytes[i] == ' ' || bytes[i] == '\0')) {
    ++i;
  }
  std::int64_t value = 0;
  for (; i < bytes.size() && bytes[i] != ' ' && bytes[i] != '\0'; ++i) {
    if (bytes[i] < '0' || bytes[i] > '7') {
      fail(std::string(what) + " is not an octal number");
    }
    value = value * 8 + (bytes[i] - '0');  // at most 12 digits: no overflow
  }
  return value;
}

bool checksum_matches(const Block& block) {
  const auto stored = static_cast<std::uint64_t>(number(field(block, kChecksum), "checksum"));
  return stored == sum(block, false) || stored == sum(block, true);
}

void put_text(Block& block, Field where, std::string_view value) {
  value = value.substr(0, where.size);
  std::copy(value.begin(), value.end(), block.begin() + static_cast<std::ptrdiff_t>(where.offset));
}

bool put_number(Block& block, Field where, std::uint64_t value) {
  const std::size_t digits = where.size - 1;
  const bool fits = value >> (3 * digits) == 0;
  if (!fits) {
    value = 0;
  }
  for (std::size_t i = digits; i-- > 0; value >>= 3) {
    block[where.offset + i] = static_cast<char>('0' + (value & 7));
  }
  block[where.offset + digits] = '\0';
  return fits;
}

void put_checksum(Block& block) {
  // Six digits, NUL, space: the historical form of this one field.
  put_number(block, {kChecksum.offset, kChecksum.size - 1}, sum(block, false));
  block[kChecksum.offset + kChecksum.size - 1] = ' ';
}

void parse_pax(std::string_view records, const std::function<void(std::string_view, std::string_view)>& visit) {
  while (!records.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<std::size_t>(end - records.data());
    if (error != std::errc() || length > records.size() || length < digits + 2 || records[digits] != ' ' ||
        records[length - 1] != '\n') {
      fail("invalid PAX record");
    }
    const auto record = records.substr(digits + 1, length - digits - 2);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      fail("PAX record without a key");
    }
    const auto key = record.substr(0, equals);
    const auto value = record.substr(equals + 1);
    const bool text_only = key == "path" || key == "linkpath" || key == "GNU.sparse.name";
    if (key.find('\0') != std::string_view::npos || (text_only && value.find('\0') != std::string_view::npos)) {
      fail("PAX record with a NUL byte");
    }
    visit(key, value);
    records.remove_prefix(length);
  }
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // space, equals sign, newline
  std::size_t length = rest + std::to_string(rest).size();
  if (std::to_string(length).size() != std::to_string(rest).size()) {
    ++length;  // its own digits made the length one digit longer
  }
  std::string record = std::to_string(length) + ' ';
  record.append(key).append("=").append(value).append("\n");
  return record;
}

std::uint64_t decimal(std::string_view value, const char* what) {
  std::uint64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size()) {
    fail(std::string(what) + " is not a decimal number");
  }
  return result;
}

PaxTime parse_pax_time(std::string_view value) {
  const bool negative = value.starts_with('-');
  if (negative) {
    value.remove_prefix(1);
  }
  const auto point = value.find('.');
  const std::uint64_t whole = decimal(value.substr(0, point), "a time");
  if (whole > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() - 1)) {
    fail("a time is out of range");
  }
  std::uint32_t fraction = 0;
  if (point != std::string_view::npos) {
    auto digits = value.substr(point + 1);
    if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      fail("a time is not a decimal number");
    }
    constexpr std::size_t kDigits = 9;
    for (std::size_t i = 0; i < kDigits; ++i) {
      fraction = fraction * 10 + (i < digits.size() ? static_cast<std::uint32_t>(digits[i] - '0') : 0);
    }
  }
  const auto seconds = static_cast<std::int64_t>(whole);
  if (!negative) {
    return {seconds, fraction};
  }
  return fraction == 0 ? PaxTime{-seconds, 0} : PaxTime{-seconds - 1, kNanoseconds - fraction};
}

std::string format_pax_time(PaxTime time) {
  if (time.nanoseconds == 0) {
    return std::to_string(time.seconds);
  }
  std::string sign;
  if (time.seconds < 0) {
    sign = "-";
    time = {-(time.seconds + 1), kNanoseconds - time.nanoseconds};
  }
  std::string fraction = std::to_string(kNanoseconds + time.nanoseconds).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return sign + std::to_string(time.seconds) + "." + fraction;
}

}  // namespace dlc::codec::tar
