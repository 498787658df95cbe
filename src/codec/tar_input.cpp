#include "codec/tar_input.h"

#include <algorithm>

#include "base/error.h"

namespace dlc::codec::tar {

namespace {

constexpr std::size_t kBufferSize = 64 * 1024;

[[noreturn]] void fail(const char* why) {
  throw Error(ErrorKind::corrupt, std::string("damaged tar archive: ") + why);
}

}  // namespace

Input::Input(Source& in) : in_(in), buffer_(kBufferSize) {}

bool Input::refill() {
  if (next_ == end_) {
    next_ = 0;
    end_ = in_.read(buffer_);
  }
  return end_ != 0;
}

std::size_t Input::read(std::span<std::byte> out) {
  if (next_ == end_ && out.size() >= buffer_.size()) {
    const std::size_t count = in_.read(out);
    offset_ += count;
    return count;
  }
  if (out.empty() || !refill()) {
    return 0;
  }
  const std::size_t count = std::min(out.size(), end_ - next_);
  std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(next_), count, out.begin());
  next_ += count;
  offset_ += count;
  return count;
}

bool Input::read_block(Block& block) {
  const auto bytes = std::as_writable_bytes(std::span(block));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::size_t count = read(bytes.subspan(done));
    if (count == 0) {
      break;
    }
    done += count;
  }
  if (done != 0 && done != bytes.size()) {
    fail("it ends within a header");
  }
  return done != 0;
}

void Input::read_exactly(std::span<std::byte> out) {
  while (!out.empty()) {
    const std::size_t count = read(out);
    if (count == 0) {
      fail("it ends too early");
    }
    out = out.subspan(count);
  }
}

void Input::skip(std::uint64_t count) {
  while (count != 0) {
    if (!refill()) {
      fail("it ends too early");
    }
    const std::uint64_t step = std::min<std::uint64_t>(count, end_ - next_);
    next_ += step;
    offset_ += step;
    count -= step;
  }
}

void Input::drain() {
  next_ = end_;
  while (refill()) {
    next_ = end_;
  }
}

}  // namespace dlc::codec::tar
