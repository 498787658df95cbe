#include "codec/deflate.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace dlc::codec {

namespace {

constexpr int kIsalDefaultLevel = 2;
constexpr int kIsalMaximumLevel = 2;
constexpr int kZlibDefaultLevel = 6;
constexpr int kZlibMaximumLevel = 9;

/// Room for a block that cannot be compressed: stored blocks and the flush add far less than this.
std::size_t output_bound(std::size_t size) {
  return size + size / 16 + 4096;
}

[[noreturn]] void fail(const char* library) {
  throw Error(ErrorKind::internal, std::string(library) + " refused to compress a block");
}

/// The C interfaces take pointers to what they only read as pointers to mutable bytes.
std::uint8_t* input_pointer(std::span<const std::byte> bytes) {
  return reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
}

class IsalDeflater : public BlockDeflater {
 public:
  explicit IsalDeflater(int level)
      : level_(level), work_(level == 1 ? ISAL_DEF_LVL1_LARGE : ISAL_DEF_LVL2_LARGE), stream_(new_stream()) {}

  void deflate(std::span<const std::byte> dictionary, std::span<const std::byte> block,
               std::vector<std::byte>& out) override {
    isal_zstream& stream = *stream_;
    isal_deflate_init(&stream);
    stream.level = static_cast<std::uint32_t>(level_);
    stream.level_buf = work_.data();
    stream.level_buf_size = static_cast<std::uint32_t>(work_.size());
    stream.flush = SYNC_FLUSH;
    if (!dictionary.empty() && isal_deflate_set_dict(&stream, input_pointer(dictionary),
                                                     static_cast<std::uint32_t>(dictionary.size())) != COMP_OK) {
      fail("ISA-L");
    }
    out.resize(output_bound(block.size()));
    stream.next_in = input_pointer(block);
    stream.avail_in = static_cast<std::uint32_t>(block.size());
    stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream.avail_out = static_cast<std::uint32_t>(out.size());
    if (isal_deflate(&stream) != COMP_OK || stream.avail_in != 0 || stream.avail_out == 0) {
      fail("ISA-L");
    }
    out.resize(stream.total_out);
  }

 private:
  static std::unique_ptr<isal_zstream> new_stream() { return std::make_unique<isal_zstream>(); }

  int level_;
  std::vector<std::uint8_t> work_;
  std::unique_ptr<isal_zstream> stream_;
};

class ZlibDeflater : public BlockDeflater {
 public:
  explicit ZlibDeflater(int level) {
    constexpr int kRawDeflate = -15;
    constexpr int kMemory = 8;
    if (deflateInit2(&stream_, level, Z_DEFLATED, kRawDeflate, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw Error(ErrorKind::exhausted, "no memory for a compressor");
    }
  }
  ~ZlibDeflater() override { deflateEnd(&stream_); }
  ZlibDeflater(const ZlibDeflater&) = delete;
  ZlibDeflater& operator=(const ZlibDeflater&) = delete;

  void deflate(std::span<const std::byte> dictionary, std::span<const std::byte> block,
               std::vector<std::byte>& out) override {
    deflateReset(&stream_);
    if (!dictionary.empty() &&
        deflateSetDictionary(&stream_, input_pointer(dictionary), static_cast<uInt>(dictionary.size())) != Z_OK) {
      fail("zlib");
    }
    out.resize(output_bound(block.size()));
    stream_.next_in = input_pointer(block);
    stream_.avail_in = static_cast<uInt>(block.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    if (::deflate(&stream_, Z_SYNC_FLUSH) != Z_OK || stream_.avail_in != 0 || stream_.avail_out == 0) {
      fail("zlib");
    }
    out.resize(out.size() - stream_.avail_out);
  }

 private:
  z_stream stream_{};
};

bool has_isal() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2") != 0;
#else
  return false;  // its other ports choose other matches
#endif
}

}  // namespace

DeflateEngine choose_deflate(int level, bool portable) {
  if (level < 0 || level > kZlibMaximumLevel) {
    throw Error(ErrorKind::invalid, "gzip level " + std::to_string(level) + " is not between 1 and 9");
  }
  if (!portable && level <= kIsalMaximumLevel && has_isal()) {
    return {DeflateEngine::Library::isal, level == 0 ? kIsalDefaultLevel : level};
  }
  return {DeflateEngine::Library::zlib, level == 0 ? kZlibDefaultLevel : level};
}

std::string deflate_name(const DeflateEngine& engine) {
  const bool isal = engine.library == DeflateEngine::Library::isal;
  // ISA-L cannot be asked which version is loaded; Debian's package pins it (packages.txt).
  const std::string library = isal ? "isal-2.30.0" : std::string("zlib-") + zlibVersion();
  return library + " level " + std::to_string(engine.level);
}

std::unique_ptr<BlockDeflater> make_deflater(const DeflateEngine& engine) {
  if (engine.library == DeflateEngine::Library::isal) {
    return std::make_unique<IsalDeflater>(engine.level);
  }
  return std::make_unique<ZlibDeflater>(engine.level);
}

}  // namespace dlc::codec
