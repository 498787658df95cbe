#include "contents/elf.h"

#include <elf.h>

#include <algorithm>
#include <limits>

namespace dlc::contents {

namespace {

constexpr std::uint64_t kMaxHeaders = 1024;
constexpr std::uint64_t kMaxDynamic = 64 << 10;
constexpr std::uint64_t kMaxStrings = 64U << 20;
constexpr std::size_t kMaxName = 4096;

/// Numbers of one file's class and byte order; 0 for those outside `bytes`.
class Numbers {
 public:
  Numbers(std::string_view bytes, bool wide, bool big) : bytes_(bytes), wide_(wide), big_(big) {}

  [[nodiscard]] std::uint64_t get(std::uint64_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) {
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const auto index = big_ ? at + i : at + size - 1 - i;
      value = value << 8 | static_cast<unsigned char>(bytes_[index]);
    }
    return value;
  }
  /// A field that is 4 bytes in 32-bit files and 8 in 64-bit ones, at its place in either.
  [[nodiscard]] std::uint64_t word(std::uint64_t at32, std::uint64_t at64) const {
    return wide_ ? get(at64, 8) : get(at32, 4);
  }

 private:
  std::string_view bytes_;
  bool wide_, big_;
};

struct Segment {
  std::uint64_t type = 0, offset = 0, address = 0, size = 0;
};

struct Dynamic {
  std::vector<std::uint64_t> needed;
  std::optional<std::uint64_t> soname, rpath, runpath, strings;
};

/// The program headers.
struct HeaderTable {
  std::uint64_t offset = 0, size = 0, count = 0;
};

HeaderTable header_table(const Numbers& header, bool wide) {
  HeaderTable table{header.word(28, 32), header.get(wide ? 54 : 42, 2), header.get(wide ? 56 : 44, 2)};
  if (table.size < (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || table.count > kMaxHeaders) {
    return {};
  }
  return table;
}

std::vector<Segment> read_segments(const ReadAt& read, const HeaderTable& place, bool wide, bool big) {
  std::vector<Segment> segments;
  const auto bytes = read(place.offset, place.size * place.count);
  const Numbers table(bytes, wide, big);
  for (std::uint64_t at = 0; place.size > 0 && at + place.size <= bytes.size(); at += place.size) {
    segments.push_back(
        {table.get(at, 4), table.word(at + 4, at + 8), table.word(at + 8, at + 16), table.word(at + 16, at + 32)});
  }
  return segments;
}

Dynamic read_dynamic(const std::string& bytes, bool wide, bool big) {
  Dynamic result;
  const Numbers table(bytes, wide, big);
  const std::uint64_t step = wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
  for (std::uint64_t at = 0; at + step <= bytes.size(); at += step) {
    const auto tag = table.word(at, at);
    const auto value = table.word(at + 4, at + 8);
    switch (tag) {
      case DT_NULL:
        return result;
      case DT_NEEDED:
        result.needed.push_back(value);
        break;
      case DT_SONAME:
        result.soname = value;
        break;
      case DT_RPATH:
        result.rpath = value;
        break;
      case DT_RUNPATH:
        result.runpath = value;
        break;
      case DT_STRTAB:
        result.strings = value;
        break;
      default:
        break;
    }
  }
  return result;
}

/// Where what stands at an offset ends; the largest number where there is no such place.
std::uint64_t end_of(std::uint64_t offset, std::uint64_t size) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  return size > kMost - offset ? kMost : offset + size;
}

/// Where an address of the running program stands in the file.
std::optional<std::uint64_t> file_offset(const std::vector<Segment>& segments, std::uint64_t address) {
  for (const auto& segment : segments) {
    if (segment.type == PT_LOAD && address >= segment.address && address - segment.address < segment.size) {
      return segment.offset + (address - segment.address);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Elf> parse_elf(const ReadAt& read) {
  const auto head = read(0, sizeof(Elf64_Ehdr));
  if (head.size() < sizeof(Elf32_Ehdr) || !head.starts_with(ELFMAG) || (head[EI_CLASS] != 1 && head[EI_CLASS] != 2) ||
      (head[EI_DATA] != 1 && head[EI_DATA] != 2)) {
    return std::nullopt;
  }
  const bool wide = head[EI_CLASS] == ELFCLASS64;
  const bool big = head[EI_DATA] == ELFDATA2MSB;
  const Numbers header(head, wide, big);
  Elf elf;
  elf.bits = wide ? 64 : 32;
  elf.big_endian = big;
  elf.type = static_cast<std::uint16_t>(header.get(16, 2));
  elf.machine = static_cast<std::uint16_t>(header.get(18, 2));
  const auto table = header_table(header, wide);
  const auto segments = read_segments(read, table, wide, big);
  elf.end = std::max(wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr), end_of(table.offset, table.size * table.count));
  std::optional<Dynamic> dynamic;
  for (const auto& segment : segments) {
    if (segment.type == PT_LOAD && segment.size > 0) {
      elf.loads = true;
      elf.end = std::max(elf.end, end_of(segment.offset, segment.size));
    }
    if (segment.type == PT_INTERP && segment.size <= kMaxName) {
      elf.interpreter = read(segment.offset, segment.size);
      elf.interpreter.resize(std::min(elf.interpreter.size(), elf.interpreter.find('\0')));
    } else if (segment.type == PT_DYNAMIC && segment.size <= kMaxDynamic) {
      dynamic = read_dynamic(read(segment.offset, segment.size), wide, big);
    }
  }
  if (!dynamic) {
    return elf;
  }
  elf.dynamic = true;
  const auto strings = dynamic->strings ? file_offset(segments, *dynamic->strings) : std::nullopt;
  const auto text_at = [&](std::uint64_t offset) {
    if (!strings || offset > kMaxStrings) {
      return std::string();
    }
    auto text = read(*strings + offset, kMaxName);
    text.resize(std::min(text.size(), text.find('\0')));
    return text;
  };
  for (const auto offset : dynamic->needed) {
    if (auto name = text_at(offset); !name.empty()) {
      elf.needed.push_back(std::move(name));
    }
  }
  elf.soname = dynamic->soname ? text_at(*dynamic->soname) : "";
  elf.rpath = dynamic->rpath ? text_at(*dynamic->rpath) : "";
  elf.runpath = dynamic->runpath ? text_at(*dynamic->runpath) : "";
  return elf;
}

std::string_view architecture_of(const Elf& elf) noexcept {
  switch (elf.machine) {
    case EM_X86_64:
      return elf.bits == 64 ? "amd64" : "";
    case EM_386:
      return "386";
    case EM_AARCH64:
      return "arm64";
    case EM_ARM:
      return "arm";
    case EM_PPC64:
      return elf.big_endian ? "ppc64" : "ppc64le";
    case EM_S390:
      return "s390x";
    case EM_RISCV:
      return "riscv64";
    default:
      return "";
  }
}

}  // namespace dlc::contents
