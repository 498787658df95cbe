#include "store/layer_index.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/fd.h"
#include "codec/compression.h"
#include "store/filters.h"

namespace dlc::store {

namespace {

constexpr std::string_view kHeader = "dlc layer index 1";
constexpr std::size_t kFields = 13;
constexpr char kHex[] = "0123456789abcdef";

// Blank, control and non-ASCII bytes, and "%", as %xx: a field never holds a tab or newline.
void append_escaped(std::string& out, std::string_view text) {
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte <= 0x20 || byte >= 0x7f || byte == '%' || byte == '=' || byte == ',') {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += character;
    }
  }
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size() ||
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr != text.data() + i + 3) {
      return std::nullopt;
    }
    result += static_cast<char>(byte);
    i += 2;
  }
  return result;
}

void append_line(std::string& out, const IndexEntry& entry) {
  fmt::format_to(std::back_inserter(out), "{}\t{:o}\t{}\t{}\t{}\t{}\t{}\t{}:{}\t{}\t", entry.type, entry.mode,
                 entry.uid, entry.gid, entry.size, entry.mtime, entry.offset, entry.major, entry.minor,
                 entry.content.is_zero() ? std::string() : entry.content.hex());
  append_escaped(out, entry.path);
  out += '\t';
  append_escaped(out, entry.link);
  out += '\t';
  bool first = true;
  for (const auto& [name, value] : entry.xattrs) {
    out += first ? "" : ",";
    first = false;
    append_escaped(out, name);
    out += '=';
    append_escaped(out, value);
  }
  out += '\t';
  append_escaped(out, entry.kept);
  out += '\n';
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

template <typename Number>
bool parse_number(std::string_view text, Number& value, int base = 10) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool parse_xattrs(std::string_view text, std::map<std::string, std::string>& xattrs) {
  if (text.empty()) {
    return true;
  }
  for (const auto part : split(text, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) {
      return false;
    }
    auto name = unescaped(part.substr(0, equals));
    auto value = unescaped(part.substr(equals + 1));
    if (!name || !value) {
      return false;
    }
    xattrs[std::move(*name)] = std::move(*value);
  }
  return true;
}

std::optional<IndexEntry> parse_line(std::string_view line) {
  const auto fields = split(line, '\t');
  if (fields.size() != kFields || fields[0].size() != 1) {
    return std::nullopt;
  }
  IndexEntry entry;
  entry.type = fields[0][0];
  const auto device = split(fields[7], ':');
  auto path = unescaped(fields[9]);
  auto link = unescaped(fields[10]);
  auto kept = unescaped(fields[12]);
  if (!parse_number(fields[1], entry.mode, 8) || !parse_number(fields[2], entry.uid) ||
      !parse_number(fields[3], entry.gid) || !parse_number(fields[4], entry.size) ||
      !parse_number(fields[5], entry.mtime) || !parse_number(fields[6], entry.offset) || device.size() != 2 ||
      !parse_number(device[0], entry.major) || !parse_number(device[1], entry.minor) || !path || !link || !kept ||
      !parse_xattrs(fields[11], entry.xattrs)) {
    return std::nullopt;
  }
  if (!fields[8].empty()) {
    const auto content = Digest::from_hex(fields[8]);
    if (!content) {
      return std::nullopt;
    }
    entry.content = *content;
  }
  entry.path = std::move(*path);
  entry.link = std::move(*link);
  entry.kept = std::move(*kept);
  return entry;
}

constexpr std::array<std::pair<codec::TarEntry::Type, char>, 7> kTypeLetters{{
    {codec::TarEntry::Type::file, 'f'},
    {codec::TarEntry::Type::hard_link, 'h'},
    {codec::TarEntry::Type::symlink, 'l'},
    {codec::TarEntry::Type::character, 'c'},
    {codec::TarEntry::Type::block, 'b'},
    {codec::TarEntry::Type::directory, 'd'},
    {codec::TarEntry::Type::fifo, 'p'},
}};

char type_letter(codec::TarEntry::Type type) {
  const auto found = std::ranges::find(kTypeLetters, type, &decltype(kTypeLetters)::value_type::first);
  return found == kTypeLetters.end() ? 'f' : found->second;
}

codec::TarEntry::Type type_of_letter(char letter) {
  const auto found = std::ranges::find(kTypeLetters, letter, &decltype(kTypeLetters)::value_type::second);
  return found == kTypeLetters.end() ? codec::TarEntry::Type::file : found->first;
}

std::string read_all(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path.string(), O_RDONLY);
  FileSource file(fd.get(), path.string());
  const auto plain = codec::decompress(file);
  std::string text;
  std::string chunk(1 << 16, '\0');
  while (const std::size_t count = plain->read(std::as_writable_bytes(std::span(chunk)))) {
    text.append(chunk, 0, count);
  }
  return text;
}

}  // namespace

bool is_kept_path(std::string_view path) {
  return path == "etc/passwd" || path == "etc/group";
}

IndexEntry index_entry(const codec::TarEntry& entry, std::string path) {
  IndexEntry result;
  result.path = std::move(path);
  result.type = type_letter(entry.type);
  result.mode = entry.mode;
  result.uid = entry.uid;
  result.gid = entry.gid;
  result.size = entry.size;
  result.mtime = entry.mtime;
  result.link = entry.link;
  result.major = entry.major;
  result.minor = entry.minor;
  result.xattrs = entry.xattrs;
  return result;
}

codec::TarEntry tar_entry(const IndexEntry& entry) {
  codec::TarEntry result;
  result.path = entry.path;
  result.type = type_of_letter(entry.type);
  result.mode = entry.mode;
  result.uid = entry.uid;
  result.gid = entry.gid;
  result.size = entry.size;
  result.mtime = entry.mtime;
  result.link = entry.link;
  result.major = entry.major;
  result.minor = entry.minor;
  result.xattrs = entry.xattrs;
  return result;
}

void write_index(const std::filesystem::path& path, const std::filesystem::path& scratch,
                 const std::vector<IndexEntry>& entries) {
  std::string text(kHeader);
  text += '\n';
  for (const auto& entry : entries) {
    append_line(text, entry);
  }
  text += fmt::format("end {}\n", entries.size());
  std::string name = (scratch / "index-XXXXXX").string();
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) {
    throw system_error("create " + name);
  }
  try {
    FileSink file(fd.get(), name);
    const auto compressed = codec::compress(file, {codec::Compression::zstd, 1, 1, false});
    compressed->write(std::as_bytes(std::span(text)));
    compressed->finish();
    fd.close(name);
    if (::rename(name.c_str(), path.c_str()) != 0) {
      throw system_error("rename " + name + " to " + path.string());
    }
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
}

std::vector<IndexEntry> read_index(const std::filesystem::path& path) {
  const std::string text = read_all(path);
  const auto corrupt = [&](std::size_t line) {
    return Error(ErrorKind::corrupt, fmt::format("{}: line {} is damaged", path.string(), line));
  };
  auto lines = split(text, '\n');
  if (lines.size() < 3 || !lines.back().empty() ||
      lines.front().substr(0, kHeader.size() - 1) != kHeader.substr(0, kHeader.size() - 1)) {
    throw corrupt(1);
  }
  if (lines.front() != kHeader) {
    throw Error(ErrorKind::unsupported, path.string() + ": made by a newer dlc");
  }
  std::vector<IndexEntry> entries;
  entries.reserve(lines.size());
  for (std::size_t i = 1; i + 2 < lines.size(); ++i) {
    auto entry = parse_line(lines[i]);
    if (!entry) {
      throw corrupt(i + 1);
    }
    entries.push_back(std::move(*entry));
  }
  if (lines[lines.size() - 2] != fmt::format("end {}", entries.size())) {
    throw corrupt(lines.size() - 1);
  }
  return entries;
}

}  // namespace dlc::store
