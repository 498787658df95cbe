#pragma once
// Sinks and sources that hash and count what passes, and the two ends at a file.
#include <atomic>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"

namespace dlc::store {

class HashingSink final : public codec::Sink {
 public:
  explicit HashingSink(codec::Sink& out) : out_(out) {}
  void write(std::span<const std::byte> bytes) override {
    hash_.update(bytes);
    size_ += bytes.size();
    out_.write(bytes);
  }
  void finish() override {
    digest_ = hash_.finish();
    out_.finish();
  }
  [[nodiscard]] const codec::Digest& digest() const noexcept { return digest_; }  ///< after `finish`
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  codec::Sink& out_;
  codec::Sha256 hash_;
  codec::Digest digest_;
  std::uint64_t size_ = 0;
};

class HashingSource final : public codec::Source {
 public:
  explicit HashingSource(codec::Source& in) : in_(in) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t count = in_.read(buffer);
    hash_.update(buffer.first(count));
    size_ += count;
    return count;
  }
  /// Reads what is left and ends the hash.
  [[nodiscard]] codec::Digest drain();
  /// Bytes so far; may be asked from another thread.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  codec::Source& in_;
  codec::Sha256 hash_;
  std::atomic<std::uint64_t> size_ = 0;
};

/// Reads a source to its end.
void drain(codec::Source& in);

/// Reads a file from its current position; does not own the descriptor.
class FileSource final : public codec::Source {
 public:
  FileSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  int fd_;
  std::string name_;
};

/// Writes to a file; does not own the descriptor.
class FileSink final : public codec::Sink {
 public:
  FileSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(std::span<const std::byte> bytes) override { write_full(fd_, bytes, name_); }
  void finish() override {}

 private:
  int fd_;
  std::string name_;
};

/// Takes anything and keeps nothing.
class NullSink final : public codec::Sink {
 public:
  void write(std::span<const std::byte>) override {}
  void finish() override {}
};

}  // namespace dlc::store
