#include "store/read_ahead.h"

#include <algorithm>
#include <utility>

namespace dlc::store {

namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kMostBlocks = 4;

}  // namespace

ReadAhead::ReadAhead(codec::Source& in) : thread_([this, &in] { run(in); }) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ReadAhead::run(codec::Source& in) {
  std::exception_ptr error;
  try {
    for (bool more = true; more;) {
      Block block(kBlockBytes);
      std::size_t filled = 0;
      while (filled < block.size() && more) {
        const std::size_t count = in.read(std::span(block).subspan(filled));
        filled += count;
        more = count > 0;
      }
      block.resize(filled);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopped_ || full_.size() < kMostBlocks; });
      if (stopped_) {
        return;
      }
      if (!block.empty()) {
        full_.push_back(std::move(block));
      }
      changed_.notify_all();
    }
  } catch (...) {  // handed to the reader
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  error_ = error;
  changed_.notify_all();
}

bool ReadAhead::next_block() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_ || !full_.empty(); });
  if (!full_.empty()) {
    current_ = std::move(full_.front());
    full_.pop_front();
    at_ = 0;
    changed_.notify_all();
    return true;
  }
  lock.unlock();
  if (thread_.joinable()) {
    thread_.join();  // from here on the source is the caller's again
  }
  if (error_) {
    std::rethrow_exception(error_);
  }
  return false;
}

std::size_t ReadAhead::read(std::span<std::byte> buffer) {
  if (at_ == current_.size() && !next_block()) {
    return 0;
  }
  const std::size_t count = std::min(buffer.size(), current_.size() - at_);
  std::copy_n(current_.begin() + static_cast<std::ptrdiff_t>(at_), count, buffer.begin());
  at_ += count;
  return count;
}

}  // namespace dlc::store
