#include "codec/foreign.h"

#include <bzlib.h>
#include <lzma.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace dlc::codec {

namespace {

constexpr std::size_t kInputSize = 64 * 1024;
constexpr std::size_t kMostAtOnce = 1U << 30;  // bzip2 counts in 32 bits

[[noreturn]] void fail(const char* format, const char* why) {
  throw Error(ErrorKind::corrupt, std::string("damaged ") + format + " data: " + why);
}

/// Bytes of the source below, as many as there are at the moment.
class Input {
 public:
  explicit Input(Source& in) : in_(in), buffer_(kInputSize) {}

  /// What is not used yet; empty only at the end.
  std::span<std::byte> fill() {
    if (next_ == end_) {
      next_ = 0;
      end_ = in_.read(buffer_);
    }
    return std::span(buffer_).subspan(next_, end_ - next_);
  }
  void leave(std::size_t unused) { next_ = end_ - unused; }

 private:
  Source& in_;
  std::vector<std::byte> buffer_;
  std::size_t next_ = 0;
  std::size_t end_ = 0;
};

class XzSource : public Source {
 public:
  explicit XzSource(Source& in) : in_(in) {
    // Streams in a row and padding of zeros are one file (xz file format, 1.2); `xz -9` needs 65 MiB.
    constexpr std::uint64_t kMostMemory = 512ULL << 20;
    if (lzma_stream_decoder(&stream_, kMostMemory, LZMA_CONCATENATED) != LZMA_OK) {
      throw Error(ErrorKind::exhausted, "no memory for a decompressor");
    }
  }
  ~XzSource() override { lzma_end(&stream_); }
  XzSource(const XzSource&) = delete;
  XzSource& operator=(const XzSource&) = delete;

  std::size_t read(std::span<std::byte> buffer) override {
    stream_.next_out = reinterpret_cast<std::uint8_t*>(buffer.data());
    stream_.avail_out = buffer.size();
    while (!at_end_ && stream_.avail_out == buffer.size() && !buffer.empty()) {
      const auto input = in_.fill();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(input.data());
      stream_.avail_in = input.size();
      check(lzma_code(&stream_, input.empty() ? LZMA_FINISH : LZMA_RUN));
      in_.leave(stream_.avail_in);
    }
    return buffer.size() - stream_.avail_out;
  }

 private:
  void check(lzma_ret status) {
    switch (status) {
      case LZMA_OK:
        return;
      case LZMA_STREAM_END:
        at_end_ = true;
        return;
      case LZMA_MEM_ERROR:
        throw Error(ErrorKind::exhausted, "no memory to decompress xz data");
      case LZMA_MEMLIMIT_ERROR:
        throw Error(ErrorKind::unsupported, "xz data needs more than 512 MiB to decompress");
      case LZMA_OPTIONS_ERROR:
        throw Error(ErrorKind::unsupported, "xz data uses options that this liblzma does not know");
      case LZMA_BUF_ERROR:
        fail("xz", "it ends too early");
      default:
        fail("xz", "a check failed");
    }
  }

  Input in_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool at_end_ = false;
};

class Bzip2Source : public Source {
 public:
  explicit Bzip2Source(Source& in) : in_(in) { begin(); }
  ~Bzip2Source() override { BZ2_bzDecompressEnd(&stream_); }
  Bzip2Source(const Bzip2Source&) = delete;
  Bzip2Source& operator=(const Bzip2Source&) = delete;

  std::size_t read(std::span<std::byte> buffer) override {
    const auto room = static_cast<unsigned>(std::min(buffer.size(), kMostAtOnce));
    stream_.next_out = reinterpret_cast<char*>(buffer.data());
    stream_.avail_out = room;
    while (stream_.avail_out == room && room != 0) {
      const auto input = in_.fill();
      if (input.empty() && between_) {
        return 0;
      }
      if (between_) {
        next_stream();
      }
      stream_.next_in = reinterpret_cast<char*>(input.data());
      stream_.avail_in = static_cast<unsigned>(input.size());
      const int status = BZ2_bzDecompress(&stream_);
      in_.leave(stream_.avail_in);
      check(status);
      if (input.empty() && status == BZ_OK && stream_.avail_out == room) {
        fail("bzip2", "it ends too early");
      }
    }
    return room - stream_.avail_out;
  }

 private:
  void begin() {
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) {
      throw Error(ErrorKind::exhausted, "no memory for a decompressor");
    }
  }

  /// Several streams in a row are one file, as pbzip2 writes them.
  void next_stream() {
    bz_stream fresh{};
    fresh.next_out = stream_.next_out;
    fresh.avail_out = stream_.avail_out;
    BZ2_bzDecompressEnd(&stream_);
    stream_ = fresh;
    begin();
    between_ = false;
  }

  void check(int status) {
    switch (status) {
      case BZ_OK:
        return;
      case BZ_STREAM_END:
        between_ = true;
        return;
      case BZ_MEM_ERROR:
        throw Error(ErrorKind::exhausted, "no memory to decompress bzip2 data");
      case BZ_DATA_ERROR_MAGIC:
        fail("bzip2", "garbage where a stream should begin");
      default:
        fail("bzip2", "a check failed");
    }
  }

  Input in_;
  bz_stream stream_{};
  bool between_ = false;  ///< at the end of a stream: the data may end here
};

}  // namespace

std::unique_ptr<Source> foreign_source(Source& in, ForeignFormat format) {
  if (format == ForeignFormat::xz) {
    return std::make_unique<XzSource>(in);
  }
  return std::make_unique<Bzip2Source>(in);
}

}  // namespace dlc::codec
