#pragma once
// Whole archives in memory, and headers made by hand.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/sinks.h"
#include "codec/tar.h"

namespace dlc::codec {

inline bool operator==(const TarEntry& a, const TarEntry& b) {
  return a.path == b.path && a.type == b.type && a.mode == b.mode && a.uid == b.uid && a.gid == b.gid &&
         a.size == b.size && a.mtime == b.mtime && a.mtime_nsec == b.mtime_nsec && a.link == b.link &&
         a.major == b.major && a.minor == b.minor && a.xattrs == b.xattrs;
}

}  // namespace dlc::codec

namespace dlc::codec::test {

struct Member {
  TarEntry entry;
  std::string content;
  bool operator==(const Member&) const = default;
};
using Archive = std::vector<Member>;

inline void PrintTo(const Member& member, std::ostream* out) {
  *out << member.entry.path << " (" << static_cast<int>(member.entry.type) << ", " << member.entry.size << " bytes, "
       << member.entry.uid << ":" << member.entry.gid << ", " << member.entry.mtime << "." << member.entry.mtime_nsec
       << ", -> " << member.entry.link << ", " << member.entry.xattrs.size() << " xattrs)";
}

inline TarEntry make_entry(std::string path, TarEntry::Type type, std::uint64_t size = 0) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.type = type;
  entry.mode = 0644;
  entry.size = size;
  return entry;
}

inline std::string write_archive(const Archive& archive) {
  StringSink out;
  TarWriter writer(out);
  for (const Member& member : archive) {
    writer.begin(member.entry);
    writer.data(bytes_of(member.content));
  }
  writer.finish();
  return out.take();
}

inline Archive read_archive(std::string_view bytes, std::size_t chunk = 0) {
  MemorySource in(bytes, chunk);
  TarReader reader(in);
  Archive archive;
  std::vector<std::byte> buffer(700);
  while (auto entry = reader.next()) {
    Member member{std::move(*entry), ""};
    while (const std::size_t count = reader.read(buffer)) {
      member.content.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
    archive.push_back(std::move(member));
  }
  return archive;
}

/// A header block: a file of mode 0644 with the name and size given, to be changed and sealed.
class RawHeader {
 public:
  RawHeader(std::string_view name, char type, std::uint64_t size,
            std::string_view magic = {"ustar\0"
                                      "00",
                                      8})
      : block_(512, '\0') {
    put(0, name);
    put_octal(100, 8, 0644);
    put_octal(108, 8, 0);
    put_octal(116, 8, 0);
    put_octal(124, 12, size);
    put_octal(136, 12, 0);
    block_[156] = type;
    put(257, magic);
  }

  RawHeader& put(std::size_t offset, std::string_view text) {
    block_.replace(offset, text.size(), text);
    return *this;
  }
  RawHeader& put_octal(std::size_t offset, std::size_t size, std::uint64_t value) {
    for (std::size_t i = size - 1; i-- > 0; value >>= 3) {
      block_[offset + i] = static_cast<char>('0' + (value & 7));
    }
    return *this;
  }
  /// With its checksum. `as_signed`: as some old writers computed it.
  [[nodiscard]] std::string sealed(bool as_signed = false) const {
    std::string block = block_;
    block.replace(148, 8, "        ");
    int sum = 0;
    for (const char c : block) {
      sum += as_signed ? static_cast<signed char>(c) : static_cast<unsigned char>(c);
    }
    RawHeader copy = *this;
    copy.put_octal(148, 7, static_cast<std::uint64_t>(sum));
    copy.block_[155] = ' ';
    return copy.block_;
  }

 private:
  std::string block_;
};

inline std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512);
  return text;
}

inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) {
    ++length;
  }
  return std::to_string(length) + rest;
}

inline std::string extension(char type, const std::string& text) {
  return RawHeader("extension", type, text.size()).sealed() + padded(text);
}

inline std::string end_of_archive() {
  return std::string(1024, '\0');
}

}  // namespace dlc::codec::test
