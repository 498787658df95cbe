#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "codec/tar_format.h"

namespace dlc::codec {

namespace {

constexpr std::size_t kBlockSize = tar::kBlockSize;
constexpr std::array<std::byte, 2 * kBlockSize> kZeros{};

char type_flag(TarEntry::Type type) {
  switch (type) {
    case TarEntry::Type::file:
      return '0';
    case TarEntry::Type::hard_link:
      return '1';
    case TarEntry::Type::symlink:
      return '2';
    case TarEntry::Type::character:
      return '3';
    case TarEntry::Type::block:
      return '4';
    case TarEntry::Type::directory:
      return '5';
    case TarEntry::Type::fifo:
      return '6';
  }
  throw Error(ErrorKind::internal, "unknown type of a tar entry");
}

[[noreturn]] void misuse(const std::string& path, const char* why) {
  throw Error(ErrorKind::internal, "tar entry \"" + path + "\": " + why);
}

void check_entry(const TarEntry& entry) {
  const bool is_root = entry.path.empty() && entry.type == TarEntry::Type::directory;
  if ((entry.path.empty() && !is_root) || entry.path.find('\0') != std::string::npos) {
    misuse(entry.path, "invalid path");
  }
  if (entry.link.find('\0') != std::string::npos) {
    misuse(entry.path, "invalid link target");
  }
  if (entry.type != TarEntry::Type::file && entry.size != 0) {
    misuse(entry.path, "only files have content");
  }
  constexpr std::uint32_t kNanoseconds = 1'000'000'000;
  if (entry.mtime_nsec >= kNanoseconds) {
    misuse(entry.path, "nanoseconds out of range");
  }
  for (const auto& [name, value] : entry.xattrs) {
    if (name.find('=') != std::string::npos || name.find('\0') != std::string::npos) {
      throw Error(ErrorKind::unsupported,
                  "\"" + entry.path + "\" has an extended attribute that no layer can hold: \"" + name + "\"");
    }
  }
}

/// Name and prefix where the path fits there: the shortest prefix will do. False where it doesn't.
bool put_path(tar::Block& block, std::string_view path) {
  if (path.size() <= tar::kName.size) {
    tar::put_text(block, tar::kName, path);
    return true;
  }
  for (std::size_t slash = path.find('/', path.size() - tar::kName.size - 1); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (slash > tar::kPrefix.size || slash + 1 == path.size()) {
      break;
    }
    if (slash != 0) {
      tar::put_text(block, tar::kPrefix, path.substr(0, slash));
      tar::put_text(block, tar::kName, path.substr(slash + 1));
      return true;
    }
  }
  tar::put_text(block, tar::kName, path);  // the PAX record has it whole
  return false;
}

using Records = std::map<std::string, std::string>;

void put_number(tar::Block& block, tar::Field where, std::uint64_t value, const char* key, Records& records) {
  if (!tar::put_number(block, where, value)) {
    records[key] = std::to_string(value);
  }
}

/// Fills the header, and `records` with what doesn't fit there. A map, so that the order is always the same.
tar::Block make_header(const TarEntry& entry, Records& records) {
  tar::Block block{};
  std::string path = entry.path.empty() ? "." : entry.path;
  if (entry.type == TarEntry::Type::directory) {
    path += '/';
  }
  if (!put_path(block, path)) {
    records["path"] = path;
  }
  constexpr std::uint32_t kModeMask = 07777;
  tar::put_number(block, tar::kMode, entry.mode & kModeMask);
  put_number(block, tar::kUid, entry.uid, "uid", records);
  put_number(block, tar::kGid, entry.gid, "gid", records);
  put_number(block, tar::kSize, entry.size, "size", records);
  const std::uint64_t seconds = entry.mtime < 0 ? 0 : static_cast<std::uint64_t>(entry.mtime);
  if (!tar::put_number(block, tar::kMtime, seconds) || entry.mtime < 0 || entry.mtime_nsec != 0) {
    records["mtime"] = tar::format_pax_time({entry.mtime, entry.mtime_nsec});
  }
  block[tar::kType.offset] = type_flag(entry.type);
  const bool is_link = entry.type == TarEntry::Type::symlink || entry.type == TarEntry::Type::hard_link;
  if (is_link) {
    tar::put_text(block, tar::kLink, entry.link);
    if (entry.link.size() > tar::kLink.size) {
      records["linkpath"] = entry.link;
    }
  }
  tar::put_text(block, tar::kMagic, tar::kUstarMagic);
  const bool is_device = entry.type == TarEntry::Type::character || entry.type == TarEntry::Type::block;
  put_number(block, tar::kMajor, is_device ? entry.major : 0, "SCHILY.devmajor", records);
  put_number(block, tar::kMinor, is_device ? entry.minor : 0, "SCHILY.devminor", records);
  for (const auto& [name, value] : entry.xattrs) {
    records["SCHILY.xattr." + name] = value;
  }
  tar::put_checksum(block);
  return block;
}

tar::Block make_pax_header(const std::string& path, std::size_t size) {
  tar::Block block{};
  const auto slash = path.find_last_of('/');
  tar::put_text(block, tar::kName, "PaxHeaders/" + (slash == std::string::npos ? path : path.substr(slash + 1)));
  constexpr std::uint64_t kReadable = 0644;
  tar::put_number(block, tar::kMode, kReadable);
  tar::put_number(block, tar::kUid, 0);
  tar::put_number(block, tar::kGid, 0);
  tar::put_number(block, tar::kSize, size);
  tar::put_number(block, tar::kMtime, 0);
  block[tar::kType.offset] = 'x';
  tar::put_text(block, tar::kMagic, tar::kUstarMagic);
  tar::put_number(block, tar::kMajor, 0);
  tar::put_number(block, tar::kMinor, 0);
  tar::put_checksum(block);
  return block;
}

}  // namespace

struct TarWriter::State {
  explicit State(Sink& sink) : out(sink) {}

  void put(std::span<const std::byte> bytes) {
    out.write(bytes);
    offset += bytes.size();
  }
  void put(const tar::Block& block) { put(std::as_bytes(std::span(block))); }
  void pad() {
    if (const std::size_t over = offset % kBlockSize; over != 0) {
      put(std::span(kZeros).first(kBlockSize - over));
    }
  }

  Sink& out;
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t left = 0;  ///< content of the current entry still to come
};

TarWriter::TarWriter(Sink& out) : state_(std::make_unique<State>(out)) {}
TarWriter::~TarWriter() = default;

void TarWriter::begin(const TarEntry& entry) {
  if (state_->left != 0) {
    misuse(state_->path, "its content is not complete");
  }
  check_entry(entry);
  Records records;
  const tar::Block header = make_header(entry, records);
  if (!records.empty()) {
    std::string text;
    for (const auto& [key, value] : records) {
      text += tar::pax_record(key, value);
    }
    state_->put(make_pax_header(entry.path, text.size()));
    state_->put(bytes_of(text));
    state_->pad();
  }
  state_->put(header);
  state_->path = entry.path;
  state_->left = entry.size;
}

void TarWriter::data(std::span<const std::byte> bytes) {
  if (bytes.size() > state_->left) {
    misuse(state_->path, "more content than announced");
  }
  state_->put(bytes);
  state_->left -= bytes.size();
  if (state_->left == 0) {
    state_->pad();
  }
}

void TarWriter::finish() {
  if (state_->left != 0) {
    misuse(state_->path, "its content is not complete");
  }
  state_->put(kZeros);
}

std::uint64_t TarWriter::offset() const noexcept {
  return state_->offset;
}

}  // namespace dlc::codec
