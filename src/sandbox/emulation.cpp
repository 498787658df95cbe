#include "sandbox/emulation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <optional>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace dlc::sandbox {

namespace fs = std::filesystem;

namespace {

/// What an ELF header says of an architecture (elf(5), linux/elf-em.h).
struct Machine {
  std::string_view architecture;
  std::uint8_t bits;  ///< 1: 32, 2: 64
  bool big_endian;
  std::uint16_t number;
};
constexpr std::array kMachines{
    Machine{"386", 1, false, 3},      Machine{"amd64", 2, false, 62},    Machine{"arm", 1, false, 40},
    Machine{"arm64", 2, false, 183},  Machine{"loong64", 2, false, 258}, Machine{"mips64", 2, true, 8},
    Machine{"mips64le", 2, false, 8}, Machine{"ppc64le", 2, false, 21},  Machine{"riscv64", 2, false, 243},
    Machine{"s390x", 2, true, 22},
};

using Bytes = std::vector<std::uint8_t>;

/// The first 20 bytes of a program for the architecture.
std::optional<Bytes> program_head(const std::string& architecture) {
  const auto found = std::ranges::find(kMachines, architecture, &Machine::architecture);
  if (found == kMachines.end()) {
    return std::nullopt;
  }
  Bytes head(20, 0);
  const std::array<std::uint8_t, 4> magic{0x7F, 'E', 'L', 'F'};
  std::ranges::copy(magic, head.begin());
  head[4] = found->bits;
  head[5] = found->big_endian ? 2 : 1;
  head[6] = 1;
  const auto put = [&](std::size_t at, std::uint16_t value) {
    const auto low = static_cast<std::uint8_t>(value & 0xFFU);
    const auto high = static_cast<std::uint8_t>(value >> 8U);
    head[at] = found->big_endian ? high : low;
    head[at + 1] = found->big_endian ? low : high;
  };
  put(16, 2);  // an executable
  put(18, found->number);
  return head;
}

Bytes from_hex(const std::string& text) {
  const auto value = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : std::tolower(static_cast<unsigned char>(c)) - 'a' + 10);
  };
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(value(text[i]) * 16 + value(text[i + 1])));
  }
  return bytes;
}

struct Entry {
  bool enabled = false;
  std::string interpreter, flags;
  std::size_t offset = 0;
  Bytes magic, mask;
};

Entry parse_entry(const std::string& text) {
  Entry entry;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const auto blank = line.find(' ');
    const auto word = line.substr(0, blank);
    const auto value = blank == std::string::npos ? std::string() : line.substr(blank + 1);
    if (word == "enabled") {
      entry.enabled = true;
    } else if (word == "interpreter") {
      entry.interpreter = value;
    } else if (word == "flags:") {
      entry.flags = value;
    } else if (word == "offset") {
      entry.offset = static_cast<std::size_t>(std::strtoul(value.c_str(), nullptr, 10));
    } else if (word == "magic") {
      entry.magic = from_hex(value);
    } else if (word == "mask") {
      entry.mask = from_hex(value);
    }
  }
  return entry;
}

bool takes(const Entry& entry, const Bytes& head) {
  if (!entry.enabled || entry.magic.empty() || entry.offset + entry.magic.size() > head.size()) {
    return false;
  }
  for (std::size_t i = 0; i < entry.magic.size(); ++i) {
    const unsigned mask = i < entry.mask.size() ? entry.mask[i] : 0xFFU;
    if ((head[entry.offset + i] & mask) != (entry.magic[i] & mask)) {
      return false;
    }
  }
  return true;
}

/// What the machine itself runs beside its own: the 32-bit form, and older variants of its architecture.
bool is_native(const oci::Platform& wanted, const oci::Platform& host) {
  if (wanted.os != host.os) {
    return false;
  }
  if (wanted.architecture == host.architecture) {
    return true;  // a variant that this processor lacks shows itself when it runs
  }
  return wanted.architecture == "386" && host.architecture == "amd64";
}

}  // namespace

Emulation find_emulation(const oci::Platform& wanted, const oci::Platform& host, const fs::path& binfmt) {
  const auto platform = oci::normalized(wanted);
  if (is_native(platform, oci::normalized(host))) {
    return {.state = Emulation::State::native, .interpreter = {}};
  }
  Emulation result;
  const auto head = program_head(platform.architecture);
  std::error_code ignored;
  if (!head || platform.os != "linux") {
    return result;
  }
  for (const auto& file : fs::directory_iterator(binfmt, ignored)) {
    const auto name = file.path().filename().string();
    if (name == "register" || name == "status") {
      continue;
    }
    Entry entry;
    try {
      entry = parse_entry(read_file(file.path(), 64U << 10));
    } catch (const Error&) {  // it went away meanwhile
      continue;
    }
    if (takes(entry, *head)) {
      const bool fixed = entry.flags.find('F') != std::string::npos;
      return {.state = fixed ? Emulation::State::emulated : Emulation::State::needs_file,
              .interpreter = entry.interpreter};
    }
  }
  return result;
}

}  // namespace dlc::sandbox
