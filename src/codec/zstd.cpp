#include "codec/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace dlc::codec {

namespace {

constexpr int kDefaultLevel = 3;
constexpr int kMaximumLevel = 19;  // those above need the reader's consent to their memory
constexpr std::size_t kBlockSize = 1024 * 1024;
constexpr int kWindowLogMaximum = 27;

std::size_t check(std::size_t result, const char* what) {
  if (ZSTD_isError(result) != 0) {
    const bool memory = ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation;
    throw Error(memory ? ErrorKind::exhausted : ErrorKind::internal,
                std::string(what) + ": " + ZSTD_getErrorName(result));
  }
  return result;
}

int effective_level(int level) {
  if (level < 0 || level > kMaximumLevel) {
    throw Error(ErrorKind::invalid, "zstd level " + std::to_string(level) + " is not between 1 and 19");
  }
  return level == 0 ? kDefaultLevel : level;
}

class ZstdSink : public Sink {
 public:
  ZstdSink(Sink& out, int level, unsigned threads)
      : out_(out), context_(ZSTD_createCCtx()), output_(ZSTD_CStreamOutSize()) {
    if (!context_) {
      throw Error(ErrorKind::exhausted, "no memory for a compressor");
    }
    set(ZSTD_c_compressionLevel, effective_level(level));
    set(ZSTD_c_checksumFlag, 1);
    // One worker and many give the same bytes, none gives others: always at least one.
    set(ZSTD_c_nbWorkers, static_cast<int>(std::clamp(threads, 1U, 64U)));
    block_.reserve(kBlockSize);
  }

  /// Collects blocks, so that the library sees the same calls however the bytes come.
  void write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      if (block_.size() == kBlockSize) {
        push(ZSTD_e_continue);
      }
      const auto piece = bytes.first(std::min(bytes.size(), kBlockSize - block_.size()));
      block_.insert(block_.end(), piece.begin(), piece.end());
      bytes = bytes.subspan(piece.size());
    }
  }

  void finish() override {
    push(ZSTD_e_end);
    out_.finish();
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  };

  void set(ZSTD_cParameter parameter, int value) {
    check(ZSTD_CCtx_setParameter(context_.get(), parameter, value), "cannot set up zstd");
  }

  void push(ZSTD_EndDirective directive) {
    ZSTD_inBuffer input{block_.data(), block_.size(), 0};
    for (;;) {
      ZSTD_outBuffer output{output_.data(), output_.size(), 0};
      const std::size_t left =
          check(ZSTD_compressStream2(context_.get(), &output, &input, directive), "cannot compress with zstd");
      out_.write(std::span(output_).first(output.pos));
      if (directive == ZSTD_e_end ? left == 0 : input.pos == input.size) {
        break;
      }
    }
    block_.clear();
  }

  Sink& out_;
  std::unique_ptr<ZSTD_CCtx, Free> context_;
  std::vector<std::byte> output_;
  std::vector<std::byte> block_;
};

class ZstdSource : public Source {
 public:
  explicit ZstdSource(Source& in) : in_(in), context_(ZSTD_createDCtx()), input_(ZSTD_DStreamInSize()) {
    if (!context_) {
      throw Error(ErrorKind::exhausted, "no memory for a decompressor");
    }
    check(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLogMaximum), "cannot set up zstd");
  }

  std::size_t read(std::span<std::byte> buffer) override {
    ZSTD_outBuffer output{buffer.data(), buffer.size(), 0};
    while (output.pos == 0 && output.size != 0) {
      if (next_ == end_) {
        next_ = 0;
        end_ = in_.read(input_);
      }
      if (end_ == 0 && !in_frame_) {
        return 0;
      }
      const bool at_end = end_ == 0;
      ZSTD_inBuffer input{input_.data(), end_, next_};
      const std::size_t hint = ZSTD_decompressStream(context_.get(), &output, &input);
      if (ZSTD_isError(hint) != 0) {
        fail(hint);
      }
      next_ = input.pos;
      in_frame_ = hint != 0;
      if (at_end && in_frame_ && output.pos == 0) {
        throw Error(ErrorKind::corrupt, "damaged zstd data: it ends too early");
      }
    }
    return output.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  };

  [[noreturn]] static void fail(std::size_t result) {
    const std::string name = ZSTD_getErrorName(result);
    switch (ZSTD_getErrorCode(result)) {
      case ZSTD_error_memory_allocation:
        throw Error(ErrorKind::exhausted, "no memory to decompress zstd data");
      case ZSTD_error_frameParameter_windowTooLarge:
        throw Error(ErrorKind::unsupported, "zstd data needs more than 128 MiB to decompress (made with --long?)");
      case ZSTD_error_prefix_unknown:
        throw Error(ErrorKind::corrupt, "damaged zstd data: garbage where a frame should begin");
      default:
        throw Error(ErrorKind::corrupt, "damaged zstd data: " + name);
    }
  }

  Source& in_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::vector<std::byte> input_;
  std::size_t next_ = 0;
  std::size_t end_ = 0;
  bool in_frame_ = true;  // no frame at all is as damaged as half of one
};

}  // namespace

std::unique_ptr<Sink> zstd_sink(Sink& out, int level, unsigned threads) {
  return std::make_unique<ZstdSink>(out, level, threads);
}

std::unique_ptr<Source> zstd_source(Source& in) {
  return std::make_unique<ZstdSource>(in);
}

std::string zstd_name(int level) {
  return std::string("zstd-") + ZSTD_versionString() + " level " + std::to_string(effective_level(level));
}

}  // namespace dlc::codec
