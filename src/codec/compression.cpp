#include "codec/compression.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "base/error.h"
#include "codec/foreign.h"
#include "codec/gzip.h"
#include "codec/sinks.h"
#include "codec/zstd.h"

namespace dlc::codec {

namespace {

using namespace std::string_view_literals;

class PassSink : public Sink {
 public:
  explicit PassSink(Sink& out) : out_(out) {}
  void write(std::span<const std::byte> bytes) override { out_.write(bytes); }
  void finish() override { out_.finish(); }

 private:
  Sink& out_;
};

/// The source below, with its first bytes looked at and given again.
class PeekedSource : public Source {
 public:
  explicit PeekedSource(Source& in) : in_(in), size_(read_full(in, head_)) {}

  [[nodiscard]] std::string_view head() const { return {reinterpret_cast<const char*>(head_.data()), size_}; }

  std::size_t read(std::span<std::byte> buffer) override {
    if (given_ == size_) {
      return in_.read(buffer);
    }
    const std::size_t count = std::min(buffer.size(), size_ - given_);
    std::memcpy(buffer.data(), head_.data() + given_, count);
    given_ += count;
    return count;
  }

 private:
  Source& in_;
  std::array<std::byte, 10> head_{};
  std::size_t size_;
  std::size_t given_ = 0;
};

enum class Format { plain, gzip, zstd, xz, bzip2 };

bool is_zstd(std::string_view head) {
  if (head.starts_with("\x28\xb5\x2f\xfd"sv)) {
    return true;
  }
  // A skippable frame (RFC 8878, 3.1.2) may come first.
  return head.size() >= 4 && (head[0] & 0xf0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18"sv;
}

bool is_bzip2(std::string_view head) {
  // "BZh1" may well begin a plain text: look for the first block's or the end's mark too.
  return head.size() == 10 && head.starts_with("BZh") && head[3] >= '1' && head[3] <= '9' &&
         (head.substr(4) == "\x31\x41\x59\x26\x53\x59"sv || head.substr(4) == "\x17\x72\x45\x38\x50\x90"sv);
}

Format sniff(std::string_view head) {
  if (head.starts_with("\x1f\x8b\x08"sv)) {
    return Format::gzip;
  }
  if (is_zstd(head)) {
    return Format::zstd;
  }
  if (head.starts_with("\xfd\x37\x7a\x58\x5a\x00"sv)) {
    return Format::xz;
  }
  return is_bzip2(head) ? Format::bzip2 : Format::plain;
}

/// A decoder together with the bytes looked at.
class SniffedSource : public Source {
 public:
  explicit SniffedSource(Source& in) : peeked_(in), format_(sniff(peeked_.head())) {
    switch (format_) {
      case Format::plain:
        break;
      case Format::gzip:
        decoder_ = gzip_source(peeked_);
        break;
      case Format::zstd:
        decoder_ = zstd_source(peeked_);
        break;
      case Format::xz:
        decoder_ = foreign_source(peeked_, ForeignFormat::xz);
        break;
      case Format::bzip2:
        decoder_ = foreign_source(peeked_, ForeignFormat::bzip2);
        break;
    }
  }

  [[nodiscard]] Format format() const { return format_; }
  std::size_t read(std::span<std::byte> buffer) override {
    return decoder_ ? decoder_->read(buffer) : peeked_.read(buffer);
  }

 private:
  PeekedSource peeked_;
  Format format_;
  std::unique_ptr<Source> decoder_;
};

unsigned thread_count(const CompressionOptions& options) {
  return options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

std::unique_ptr<Sink> compress(Sink& out, const CompressionOptions& options) {
  switch (options.kind) {
    case Compression::none:
      return std::make_unique<PassSink>(out);
    case Compression::gzip:
      return gzip_sink(out, choose_deflate(options.level, options.portable), thread_count(options));
    case Compression::zstd:
      return zstd_sink(out, options.level, thread_count(options));
  }
  throw Error(ErrorKind::internal, "unknown kind of compression");
}

std::unique_ptr<Source> decompress(Source& in, Compression* kind) {
  auto source = std::make_unique<SniffedSource>(in);
  if (kind != nullptr) {
    const Format format = source->format();
    *kind = format == Format::gzip ? Compression::gzip : format == Format::zstd ? Compression::zstd : Compression::none;
  }
  return source;
}

std::string engine_name(const CompressionOptions& options) {
  switch (options.kind) {
    case Compression::none:
      return "none";
    case Compression::gzip:
      return deflate_name(choose_deflate(options.level, options.portable));
    case Compression::zstd:
      return zstd_name(options.level);
  }
  throw Error(ErrorKind::internal, "unknown kind of compression");
}

}  // namespace dlc::codec
