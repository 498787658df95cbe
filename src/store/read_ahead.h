#pragma once
// Reads a source on a thread of its own, so that decompressing and hashing overlap with what is done with the bytes.
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "codec/stream.h"

namespace dlc::store {

/// `in` is touched by the thread only, until `read` has returned 0 (or thrown) or this is destroyed. Errors of `in` are
/// thrown by `read` where they occurred in the stream. At most 4 MiB are held.
class ReadAhead final : public codec::Source {
 public:
  explicit ReadAhead(codec::Source& in);
  ~ReadAhead() override;
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  std::size_t read(std::span<std::byte> buffer) override;

 private:
  using Block = std::vector<std::byte>;
  void run(codec::Source& in);
  bool next_block();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> full_;
  bool ended_ = false;
  bool stopped_ = false;
  std::exception_ptr error_;
  Block current_;
  std::size_t at_ = 0;
  std::thread thread_;
};

}  // namespace dlc::store
