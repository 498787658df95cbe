#include <isa-l/crc.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "codec/gzip.h"

namespace dlc::codec {

namespace {

constexpr std::size_t kBlockSize = 1024 * 1024;

/// No name, no time, unknown operating system.
constexpr std::array<std::uint8_t, 10> kHeader = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

struct Block {
  std::vector<std::byte> bytes;  ///< the dictionary, then the block
  std::size_t dictionary = 0;
  std::vector<std::byte> deflated;
  std::uint32_t crc = 0;
  std::exception_ptr error;
  bool done = false;

  [[nodiscard]] std::size_t size() const { return bytes.size() - dictionary; }
};

void run(BlockDeflater& deflater, Block& block) noexcept {
  try {
    const std::span<const std::byte> all(block.bytes);
    const auto content = all.subspan(block.dictionary);
    deflater.deflate(all.first(block.dictionary), content, block.deflated);
    block.crc = crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(content.data()), content.size());
  } catch (const std::bad_alloc&) {
    block.error = std::make_exception_ptr(Error(ErrorKind::exhausted, "no memory to compress a block"));
  } catch (...) {
    block.error = std::current_exception();
  }
}

/// Threads that deflate blocks. A block given to `start` belongs to the pool until `wait` returns.
class Workers {
 public:
  Workers(const DeflateEngine& engine, unsigned count) {
    std::vector<std::shared_ptr<BlockDeflater>> deflaters(count);
    std::generate(deflaters.begin(), deflaters.end(), [&] { return make_deflater(engine); });
    threads_.reserve(count);
    try {
      for (const auto& deflater : deflaters) {
        threads_.emplace_back([this, deflater] { loop(*deflater); });
      }
    } catch (const std::exception& error) {
      if (threads_.empty()) {  // fewer than asked for will do
        throw Error(ErrorKind::exhausted, std::string("cannot start a thread: ") + error.what());
      }
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Blocks not yet begun are dropped.
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  void start(Block& block) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(&block);
    }
    work_.notify_one();
  }

  [[nodiscard]] bool is_done(const Block& block) {
    const std::lock_guard lock(mutex_);
    return block.done;
  }

  void wait(const Block& block) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return block.done; });
  }

 private:
  void loop(BlockDeflater& deflater) {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) {
        return;
      }
      Block& block = *queue_.front();
      queue_.pop_front();
      lock.unlock();
      run(deflater, block);
      lock.lock();
      block.done = true;
      done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<Block*> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

class GzipSink : public Sink {
 public:
  GzipSink(Sink& out, const DeflateEngine& engine, unsigned threads)
      : out_(out), engine_(engine), threads_(std::max(threads, 1U)), filling_(fresh()) {}

  void write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      if (filling_->size() == kBlockSize) {
        submit();  // not before more comes: a stream of one block needs no threads
      }
      const auto piece = bytes.first(std::min(bytes.size(), kBlockSize - filling_->size()));
      filling_->bytes.insert(filling_->bytes.end(), piece.begin(), piece.end());
      bytes = bytes.subspan(piece.size());
    }
  }

  void finish() override {
    if (filling_->size() != 0) {
      submit_last();
    }
    while (!pending_.empty()) {
      put_oldest();
    }
    put_header();
    std::array<std::byte, 8> trailer{};
    for (std::size_t i = 0; i < 4; ++i) {
      trailer[i] = static_cast<std::byte>(crc_ >> (8 * i));
      trailer[4 + i] = static_cast<std::byte>(size_ >> (8 * i));
    }
    out_.write(kStreamEnd);
    out_.write(trailer);
    out_.finish();
  }

 private:
  std::unique_ptr<Block> fresh() {
    if (spare_.empty()) {
      auto block = std::make_unique<Block>();
      block->bytes.reserve(kDeflateWindow + kBlockSize);
      return block;
    }
    auto block = std::move(spare_.back());
    spare_.pop_back();
    block->bytes.clear();
    block->dictionary = 0;
    block->done = false;
    return block;
  }

  void submit() {
    if (threads_ == 1) {
      run_here();
    } else {
      if (!workers_) {
        workers_ = std::make_unique<Workers>(engine_, threads_);
      }
      workers_->start(*filling_);
    }
    auto next = fresh();
    const auto& bytes = filling_->bytes;
    next->bytes.assign(bytes.end() - kDeflateWindow, bytes.end());
    next->dictionary = kDeflateWindow;
    pending_.push_back(std::exchange(filling_, std::move(next)));
    // Enough ahead to keep every thread busy while this one reads and hashes, and no more than that.
    while (pending_.size() > 2 * std::size_t{threads_} || (!pending_.empty() && is_done(*pending_.front()))) {
      put_oldest();
    }
  }

  void submit_last() {
    if (workers_) {
      workers_->start(*filling_);
    } else {
      run_here();
    }
    pending_.push_back(std::move(filling_));
  }

  void run_here() {
    if (!deflater_) {
      deflater_ = make_deflater(engine_);
    }
    run(*deflater_, *filling_);
    filling_->done = true;
  }

  bool is_done(const Block& block) { return workers_ ? workers_->is_done(block) : block.done; }

  void put_header() {
    if (!header_put_) {
      out_.write(std::as_bytes(std::span(kHeader)));
      header_put_ = true;
    }
  }

  void put_oldest() {
    if (workers_) {
      workers_->wait(*pending_.front());
    }
    auto block = std::move(pending_.front());
    pending_.pop_front();
    if (block->error) {
      std::rethrow_exception(block->error);
    }
    put_header();
    out_.write(block->deflated);
    crc_ = static_cast<std::uint32_t>(crc32_combine(crc_, block->crc, static_cast<z_off_t>(block->size())));
    size_ += block->size();
    spare_.push_back(std::move(block));
  }

  Sink& out_;
  DeflateEngine engine_;
  unsigned threads_;
  std::unique_ptr<BlockDeflater> deflater_;
  std::vector<std::unique_ptr<Block>> spare_;
  std::unique_ptr<Block> filling_;
  std::deque<std::unique_ptr<Block>> pending_;
  std::uint32_t crc_ = 0;
  std::uint64_t size_ = 0;
  bool header_put_ = false;
  std::unique_ptr<Workers> workers_;  // last: its threads end before the blocks go
};

}  // namespace

std::unique_ptr<Sink> gzip_sink(Sink& out, const DeflateEngine& engine, unsigned threads) {
  return std::make_unique<GzipSink>(out, engine, threads);
}

}  // namespace dlc::codec
