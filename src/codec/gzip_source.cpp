#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "codec/gzip.h"

namespace dlc::codec {

namespace {

constexpr std::size_t kInputSize = 256 * 1024;
constexpr std::uint8_t kHeaderCrc = 0x02;
constexpr std::uint8_t kExtra = 0x04;
constexpr std::uint8_t kName = 0x08;
constexpr std::uint8_t kComment = 0x10;
constexpr std::uint8_t kReserved = 0xe0;

[[noreturn]] void fail(const char* why) {
  throw Error(ErrorKind::corrupt, std::string("damaged gzip data: ") + why);
}

class GzipSource : public Source {
 public:
  explicit GzipSource(Source& in) : in_(in), input_(kInputSize), inflate_(std::make_unique<inflate_state>()) {}

  std::size_t read(std::span<std::byte> buffer) override {
    constexpr std::size_t kMost = 1U << 30;  // the library counts in 32 bits
    buffer = buffer.first(std::min(buffer.size(), kMost));
    while (!buffer.empty()) {
      if (!in_member_ && !begin_member()) {
        return 0;
      }
      if (const std::size_t count = inflate(buffer)) {
        return count;
      }
    }
    return 0;
  }

 private:
  [[nodiscard]] bool refill() {
    if (next_ < end_) {
      return true;
    }
    next_ = 0;
    end_ = in_.read(input_);
    return end_ != 0;
  }

  std::uint8_t byte() {
    if (!refill()) {
      fail("it ends within a header");
    }
    return static_cast<std::uint8_t>(input_[next_++]);
  }

  void skip_text() {
    while (byte() != 0) {
    }
  }

  /// Reads a header (RFC 1952, 2.3); false at the end of the input. Names and comments are skipped however long they
  /// are; the header's own check is not worth verifying, since the content has one.
  bool begin_member() {
    if (!refill()) {
      if (members_ == 0) {
        fail("it is empty");
      }
      return false;
    }
    if (byte() != 0x1f || byte() != 0x8b) {
      fail(members_ == 0 ? "it does not begin with a header" : "garbage after the end");
    }
    if (byte() != 8) {
      fail("unknown method");
    }
    const std::uint8_t flags = byte();
    if ((flags & kReserved) != 0) {
      fail("reserved flags are set");
    }
    constexpr int kTimeAndSystem = 6;
    for (int i = 0; i < kTimeAndSystem; ++i) {
      byte();
    }
    if ((flags & kExtra) != 0) {
      unsigned length = byte();
      length |= static_cast<unsigned>(byte()) << 8;
      for (; length != 0; --length) {
        byte();
      }
    }
    if ((flags & kName) != 0) {
      skip_text();
    }
    if ((flags & kComment) != 0) {
      skip_text();
    }
    if ((flags & kHeaderCrc) != 0) {
      byte();
      byte();
    }
    isal_inflate_init(inflate_.get());
    inflate_->crc_flag = ISAL_GZIP_NO_HDR_VER;  // the header is read above, the library verifies CRC and length
    in_member_ = true;
    ++members_;
    return true;
  }

  std::size_t inflate(std::span<std::byte> buffer) {
    const bool more = refill();
    inflate_->next_in = reinterpret_cast<std::uint8_t*>(input_.data() + next_);
    inflate_->avail_in = static_cast<std::uint32_t>(end_ - next_);
    inflate_->next_out = reinterpret_cast<std::uint8_t*>(buffer.data());
    inflate_->avail_out = static_cast<std::uint32_t>(buffer.size());
    const int status = isal_inflate(inflate_.get());
    next_ = end_ - inflate_->avail_in;
    const std::size_t count = buffer.size() - inflate_->avail_out;
    if (status == ISAL_INCORRECT_CHECKSUM) {
      fail("the checksum or length is wrong");
    }
    if (status < 0) {
      fail("an invalid block");
    }
    if (inflate_->block_state == ISAL_BLOCK_FINISH) {
      in_member_ = false;
    } else if (!more && count == 0) {
      fail("it ends too early");
    }
    return count;
  }

  Source& in_;
  std::vector<std::byte> input_;
  std::size_t next_ = 0;
  std::size_t end_ = 0;
  std::uint64_t members_ = 0;
  bool in_member_ = false;
  std::unique_ptr<inflate_state> inflate_;
};

}  // namespace

std::unique_ptr<Source> gzip_source(Source& in) {
  return std::make_unique<GzipSource>(in);
}

}  // namespace dlc::codec
