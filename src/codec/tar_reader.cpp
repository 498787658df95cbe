#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "codec/tar_format.h"
#include "codec/tar_input.h"
#include "codec/tar_sparse.h"

namespace dlc::codec {

namespace {

using tar::Block;
using tar::Extent;
using tar::Input;
using tar::SparseMap;

constexpr std::uint64_t kBlockSize = tar::kBlockSize;
constexpr std::uint64_t kMostExtension = 1024 * 1024;  ///< of one extended header
constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorKind::corrupt, "damaged tar archive: " + why);
}

/// What extended headers say about the entry that follows.
struct Extension {
  std::map<std::string, std::string, std::less<>> records;
  SparseMap sparse;  ///< 0.0, whose keys repeat
  bool has_sparse = false;
  std::optional<std::uint64_t> sparse_offset;

  /// Null where there is none, or an empty one.
  [[nodiscard]] const std::string* find(std::string_view key) const {
    const auto found = records.find(key);
    return found == records.end() || found->second.empty() ? nullptr : &found->second;
  }
  [[nodiscard]] std::optional<std::uint64_t> find_number(std::string_view key, const char* what) const {
    const std::string* value = find(key);
    return value == nullptr ? std::nullopt : std::optional(tar::decimal(*value, what));
  }
};

bool is_known(std::string_view key) {
  constexpr std::string_view kKnown[] = {
      "path", "linkpath", "size", "uid", "gid", "mtime", "SCHILY.devmajor", "SCHILY.devminor",
  };
  return std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown) || key.starts_with(kXattrPrefix);
}

std::string clean_path(std::string_view path) {
  for (;;) {
    if (path.starts_with('/')) {
      path.remove_prefix(1);
    } else if (path.starts_with("./")) {
      path.remove_prefix(2);
    } else {
      break;
    }
  }
  return std::string(path == "." ? std::string_view() : path);
}

std::uint32_t to_device(std::uint64_t value) {
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    fail("a device number is out of range");
  }
  return static_cast<std::uint32_t>(value);
}

std::uint64_t unsigned_number(const Block& block, tar::Field where, const char* what) {
  const std::int64_t value = tar::number(tar::field(block, where), what);
  if (value < 0) {
    fail(std::string(what) + " is negative");
  }
  return static_cast<std::uint64_t>(value);
}

std::string header_path(const Block& block) {
  std::string name(tar::text(block, tar::kName));
  // Only POSIX headers have a prefix; GNU puts times and sparse maps there.
  if (tar::field(block, tar::kMagic).substr(0, 6) == tar::kUstarMagic.substr(0, 6)) {
    const auto prefix = tar::text(block, tar::kPrefix);
    if (!prefix.empty()) {
      return std::string(prefix) + "/" + name;
    }
  }
  return name;
}

}  // namespace

struct TarReader::State {
  explicit State(Source& source) : in(source) {}

  std::optional<TarEntry> next();
  std::size_t read(std::span<std::byte> buffer);
  void skip_content();
  bool at_end_marker(const Block& block);
  std::string read_extension(const Block& block);
  void read_records(std::string_view text, Extension& into) const;
  TarEntry make_entry(const Block& block, const Extension& extension);
  void set_type(const Block& block, char flag, TarEntry& entry) const;
  void set_names(const Block& block, const Extension& extension, TarEntry& entry) const;
  void set_metadata(const Block& block, const Extension& extension, TarEntry& entry) const;
  void set_content(const Block& block, const Extension& extension, TarEntry& entry);
  SparseMap read_old_map(const Block& block);
  SparseMap read_map_1_0(std::uint64_t& stored);

  Input in;
  bool ended = false;
  std::uint64_t content_offset = 0;
  std::uint64_t stored_left = 0;  ///< of the entry's data in the archive
  std::uint64_t padding = 0;      ///< after the data
  std::uint64_t size = 0;         ///< of the file
  std::uint64_t position = 0;     ///< in the file
  bool is_sparse = false;
  std::vector<Extent> extents;
  std::size_t extent = 0;  ///< the first one that does not end before `position`
};

void TarReader::State::skip_content() {
  in.skip(stored_left);
  in.skip(padding);
  stored_left = padding = size = position = 0;
  is_sparse = false;
  extents.clear();
  extent = 0;
}

/// The archive ends with two blocks of zeros; whatever comes after is padding.
bool TarReader::State::at_end_marker(const Block& block) {
  const auto is_zero = [](const Block& bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
  };
  if (!is_zero(block)) {
    return false;
  }
  Block second{};
  if (in.read_block(second) && !is_zero(second)) {
    fail("a header after the end");
  }
  in.drain();
  return true;
}

std::string TarReader::State::read_extension(const Block& block) {
  const std::uint64_t length = unsigned_number(block, tar::kSize, "size");
  if (length > kMostExtension) {
    fail("an extended header of more than 1 MiB");
  }
  std::string text(length, '\0');
  in.read_exactly(std::as_writable_bytes(std::span(text)));
  in.skip((kBlockSize - length % kBlockSize) % kBlockSize);
  return text;
}

void TarReader::State::read_records(std::string_view text, Extension& into) const {
  tar::parse_pax(text, [&](std::string_view key, std::string_view value) {
    if (key == "GNU.sparse.offset") {
      into.sparse_offset = tar::decimal(value, "a sparse offset");
    } else if (key == "GNU.sparse.numbytes") {
      if (!into.sparse_offset) {
        fail("a sparse size without an offset");
      }
      into.sparse.add({*std::exchange(into.sparse_offset, std::nullopt), tar::decimal(value, "a sparse size")});
      into.has_sparse = true;
    } else if (key == "GNU.sparse.map") {
      into.sparse.add_list(value);
      into.has_sparse = true;
    } else if (is_known(key) || key.starts_with("GNU.sparse.")) {
      into.records.insert_or_assign(std::string(key), std::string(value));
    }
  });
}

std::optional<TarEntry> TarReader::State::next() {
  if (ended) {
    return std::nullopt;
  }
  skip_content();
  Extension extension;
  bool extended = false;
  Block block{};
  while (in.read_block(block)) {
    if (!extended && at_end_marker(block)) {
      ended = true;
      return std::nullopt;
    }
    if (!tar::checksum_matches(block)) {
      fail("wrong checksum of a header");
    }
    const char flag = block[tar::kType.offset];
    if (flag == 'V') {  // the volume's label; its size means nothing
      continue;
    }
    if (flag == 'g') {
      // Checked and left out, as every reader of images does (Go's archive/tar applies none): one layer has one
      // meaning.
      tar::parse_pax(read_extension(block), [](std::string_view, std::string_view) {});
    } else if (flag == 'x') {
      read_records(read_extension(block), extension);
      extended = true;
    } else if (flag == 'L' || flag == 'K') {
      const std::string text = read_extension(block);
      extension.records.insert_or_assign(flag == 'L' ? "path" : "linkpath", text.substr(0, text.find('\0')));
      extended = true;
    } else {
      return make_entry(block, extension);
    }
  }
  if (extended) {
    fail("it ends after an extended header");
  }
  ended = true;  // some writers leave the end marker out
  return std::nullopt;
}

void TarReader::State::set_type(const Block& block, char flag, TarEntry& entry) const {
  switch (flag) {
    case '0':
    case '\0':
    case '7':
    case 'S':
      entry.type = TarEntry::Type::file;
      break;
    case '1':
      entry.type = TarEntry::Type::hard_link;
      break;
    case '2':
      entry.type = TarEntry::Type::symlink;
      break;
    case '3':
      entry.type = TarEntry::Type::character;
      break;
    case '4':
      entry.type = TarEntry::Type::block;
      break;
    case '5':
      entry.type = TarEntry::Type::directory;
      break;
    case '6':
      entry.type = TarEntry::Type::fifo;
      break;
    default:
      throw Error(ErrorKind::unsupported,
                  "tar entry \"" + header_path(block) + "\" has the unknown type \"" + std::string(1, flag) + "\"");
  }
}

TarEntry TarReader::State::make_entry(const Block& block, const Extension& extension) {
  TarEntry entry;
  set_type(block, block[tar::kType.offset], entry);
  set_names(block, extension, entry);
  set_metadata(block, extension, entry);
  set_content(block, extension, entry);
  return entry;
}

void TarReader::State::set_names(const Block& block, const Extension& extension, TarEntry& entry) const {
  const std::string* path = extension.find("GNU.sparse.name");
  path = path == nullptr ? extension.find("path") : path;
  entry.path = path == nullptr ? header_path(block) : *path;
  if (entry.path.empty()) {
    fail("an entry without a name");
  }
  if (entry.type == TarEntry::Type::file && entry.path.ends_with('/')) {
    entry.type = TarEntry::Type::directory;  // as archives older than POSIX mark them
  }
  entry.path = clean_path(entry.path);
  if (entry.type == TarEntry::Type::directory) {
    entry.path.erase(entry.path.find_last_not_of('/') + 1);
  }
  if (entry.type == TarEntry::Type::symlink || entry.type == TarEntry::Type::hard_link) {
    const std::string* link = extension.find("linkpath");
    entry.link = link == nullptr ? std::string(tar::text(block, tar::kLink)) : *link;
    if (entry.type == TarEntry::Type::hard_link) {
      entry.link = clean_path(entry.link);
    }
    if (entry.link.empty()) {
      fail("a link without a target");
    }
  }
}

void TarReader::State::set_metadata(const Block& block, const Extension& extension, TarEntry& entry) const {
  const auto number_of = [&](std::string_view key, tar::Field where, const char* what) {
    const auto value = extension.find_number(key, what);
    return value ? *value : unsigned_number(block, where, what);
  };
  constexpr std::int64_t kModeMask = 07777;
  entry.mode = static_cast<std::uint32_t>(tar::number(tar::field(block, tar::kMode), "mode") & kModeMask);
  entry.uid = number_of("uid", tar::kUid, "uid");
  entry.gid = number_of("gid", tar::kGid, "gid");
  if (const std::string* time = extension.find("mtime")) {
    const tar::PaxTime parsed = tar::parse_pax_time(*time);
    entry.mtime = parsed.seconds;
    entry.mtime_nsec = parsed.nanoseconds;
  } else {
    entry.mtime = tar::number(tar::field(block, tar::kMtime), "mtime");
  }
  if (entry.type == TarEntry::Type::character || entry.type == TarEntry::Type::block) {
    entry.major = to_device(number_of("SCHILY.devmajor", tar::kMajor, "device number"));
    entry.minor = to_device(number_of("SCHILY.devminor", tar::kMinor, "device number"));
  }
  for (const auto& [key, value] : extension.records) {
    if (key.starts_with(kXattrPrefix)) {
      entry.xattrs.emplace(key.substr(kXattrPrefix.size()), value);
    }
  }
}

/// Where the content is and how long; reads the map of a sparse file.
void TarReader::State::set_content(const Block& block, const Extension& extension, TarEntry& entry) {
  content_offset = in.offset();
  if (entry.type != TarEntry::Type::file && block[tar::kType.offset] != '0' && block[tar::kType.offset] != '\0') {
    return;  // whatever the size says: links and directories have no data (as in GNU tar and Go)
  }
  std::uint64_t stored = extension.find_number("size", "size").value_or(unsigned_number(block, tar::kSize, "size"));
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max() - kBlockSize;
  if (stored > kMost) {
    fail("a size is out of range");
  }
  padding = (kBlockSize - stored % kBlockSize) % kBlockSize;
  entry.size = stored;
  SparseMap map;
  if (block[tar::kType.offset] == 'S') {
    constexpr tar::Field kRealSize{483, 12};
    entry.size = unsigned_number(block, kRealSize, "size");
    map = read_old_map(block);
    is_sparse = true;
  } else if (const auto major = extension.find_number("GNU.sparse.major", "sparse version"); major && *major != 0) {
    if (*major != 1 || extension.find_number("GNU.sparse.minor", "sparse version").value_or(0) != 0) {
      throw Error(ErrorKind::unsupported, "tar entry \"" + entry.path + "\" has an unknown sparse format");
    }
    stored_left = stored;
    map = read_map_1_0(stored);
    entry.size = extension.find_number("GNU.sparse.realsize", "size").value_or(stored);
    is_sparse = true;
  } else if (extension.has_sparse || extension.find("GNU.sparse.size") != nullptr) {
    map = extension.sparse;
    entry.size = extension.find_number("GNU.sparse.size", "size").value_or(stored);
    is_sparse = true;
  }
  if (is_sparse) {
    if (entry.size > kMost) {
      fail("a size is out of range");
    }
    map.check(entry.size, stored);
    extents = map.extents();
    content_offset = in.offset();
  }
  stored_left = stored;
  size = entry.size;
  if (entry.type == TarEntry::Type::directory) {
    entry.size = size = 0;  // marked only by its name; data, if any, is skipped
  }
}

/// Four extents in the header, then blocks of 21 while a flag says so.
SparseMap TarReader::State::read_old_map(const Block& block) {
  constexpr std::size_t kExtentSize = 24;
  constexpr std::size_t kNumberSize = 12;
  constexpr std::size_t kInHeader = 386;
  constexpr std::size_t kMoreInHeader = 482;
  constexpr std::size_t kMoreInBlock = 504;
  SparseMap map;
  const auto take = [&map](const Block& from, std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at + kExtentSize <= end && from[at] != '\0'; at += kExtentSize) {
      map.add({unsigned_number(from, {at, kNumberSize}, "sparse offset"),
               unsigned_number(from, {at + kNumberSize, kNumberSize}, "sparse size")});
    }
  };
  take(block, kInHeader, kMoreInHeader);
  bool more = block[kMoreInHeader] != '\0';
  while (more) {
    Block next{};
    if (!in.read_block(next)) {
      fail("it ends within a sparse map");
    }
    const std::size_t before = map.extents().size();
    take(next, 0, kMoreInBlock);
    more = next[kMoreInBlock] != '\0';
    if (more && map.extents().size() == before) {
      fail("an empty part of a sparse map");  // else endless ones would cost nothing
    }
  }
  return map;
}

/// Decimal numbers on lines at the start of the data: their count, then offset and size of each; padded to a block.
SparseMap TarReader::State::read_map_1_0(std::uint64_t& stored) {
  Block block{};
  std::size_t used = block.size();
  const auto line = [&](const char* what) {
    std::string digits;
    for (;;) {
      if (used == block.size()) {
        if (stored < kBlockSize || !in.read_block(block)) {
          fail("it ends within a sparse map");
        }
        stored -= kBlockSize;
        used = 0;
      }
      const char c = block[used++];
      if (c == '\n') {
        return tar::decimal(digits, what);
      }
      constexpr std::size_t kMostDigits = 20;
      if (digits.size() == kMostDigits) {
        fail("a sparse map is not made of numbers");
      }
      digits += c;
    }
  };
  SparseMap map;
  for (std::uint64_t count = line("a sparse map's length"); count != 0; --count) {
    const std::uint64_t offset = line("a sparse offset");
    map.add({offset, line("a sparse size")});
  }
  return map;
}

std::size_t TarReader::State::read(std::span<std::byte> buffer) {
  std::uint64_t count = std::min<std::uint64_t>(buffer.size(), size - position);
  if (count == 0) {
    return 0;
  }
  if (is_sparse) {
    while (extent < extents.size() && extents[extent].offset + extents[extent].size <= position) {
      ++extent;
    }
    const std::uint64_t data = extent < extents.size() ? extents[extent].offset : size;
    if (position < data) {
      count = std::min(count, data - position);
      std::fill_n(buffer.begin(), count, std::byte{0});
      position += count;
      return count;
    }
    count = std::min(count, data + extents[extent].size - position);
  }
  const std::size_t got = in.read(buffer.first(count));
  if (got == 0) {
    fail("it ends within a file");
  }
  position += got;
  stored_left -= got;
  return got;
}

TarReader::TarReader(Source& in) : state_(std::make_unique<State>(in)) {}
TarReader::~TarReader() = default;
std::optional<TarEntry> TarReader::next() {
  return state_->next();
}
std::size_t TarReader::read(std::span<std::byte> buffer) {
  return state_->read(buffer);
}
std::uint64_t TarReader::content_offset() const noexcept {
  return state_->content_offset;
}

}  // namespace dlc::codec
