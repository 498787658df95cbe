#include "codec/sinks.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/stop.h"

namespace dlc::codec {

namespace {
constexpr std::size_t kCopySize = 256 * 1024;
}  // namespace

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text));
}

FdSink::FdSink(int fd, std::string what) : fd_(fd), what_(std::move(what)) {}

void FdSink::write(std::span<const std::byte> bytes) {
  write_full(fd_, bytes, what_);
}

void StringSink::write(std::span<const std::byte> bytes) {
  if (bytes.size() > limit_ - text_.size()) {
    throw Error(ErrorKind::exhausted, "data is larger than " + std::to_string(limit_) + " bytes");
  }
  text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void HashSink::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  if (next_ != nullptr) {
    next_->write(bytes);
  }
}

void HashSink::finish() {
  digest_ = hash_.finish();
  if (next_ != nullptr) {
    next_->finish();
  }
}

void TeeSink::write(std::span<const std::byte> bytes) {
  first_.write(bytes);
  second_.write(bytes);
}

void TeeSink::finish() {
  first_.finish();
  second_.finish();
}

void StoppableSink::write(std::span<const std::byte> bytes) {
  check_stop(stop_);
  next_.write(bytes);
}

std::size_t StoppableSource::read(std::span<std::byte> buffer) {
  check_stop(stop_);
  return next_.read(buffer);
}

FdSource::FdSource(int fd, std::string what, std::stop_token stop)
    : fd_(fd), what_(std::move(what)), stop_(std::move(stop)) {}

void FdSource::wait() const {
  constexpr int kLookMs = 100;  // for a person who pressed Ctrl-C
  pollfd ready{fd_, POLLIN, 0};
  do {
    check_stop(stop_);
  } while (::poll(&ready, 1, kLookMs) <= 0);  // less where a signal comes
}

std::size_t FdSource::read(std::span<std::byte> buffer) {
  for (;;) {
    if (stop_.stop_possible()) {
      wait();
    }
    const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR && !(errno == EAGAIN && stop_.stop_possible())) {
      throw system_error("cannot read " + what_);
    }
  }
}

std::size_t MemorySource::read(std::span<std::byte> buffer) {
  std::size_t count = std::min(buffer.size(), rest_.size());
  if (chunk_ != 0) {
    count = std::min(count, chunk_);
  }
  if (count != 0) {  // memcpy takes no null pointer, even for nothing
    std::memcpy(buffer.data(), rest_.data(), count);
    rest_.remove_prefix(count);
  }
  return count;
}

std::size_t HashSource::read(std::span<std::byte> buffer) {
  const std::size_t count = in_.read(buffer);
  hash_.update(buffer.first(count));
  size_ += count;
  return count;
}

std::size_t read_full(Source& in, std::span<std::byte> buffer) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const std::size_t count = in.read(buffer.subspan(done));
    if (count == 0) {
      break;
    }
    done += count;
  }
  return done;
}

std::string read_all(Source& in, std::size_t limit) {
  StringSink out(limit);
  copy(in, out);
  return out.take();
}

std::uint64_t copy(Source& in, Sink& out) {
  std::vector<std::byte> buffer(kCopySize);
  std::uint64_t total = 0;
  while (const std::size_t count = in.read(buffer)) {
    out.write(std::span(buffer).first(count));
    total += count;
  }
  return total;
}

}  // namespace dlc::codec
