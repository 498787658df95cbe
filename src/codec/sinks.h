#pragma once
// The usual ends and joints of a chain of bytes: descriptors, memory, digests, two targets at once. None owns what it
// is given by reference or pointer; all of that must outlive it. Not thread-safe.
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "codec/digest.h"
#include "codec/stream.h"

namespace dlc::codec {

/// Writes to a descriptor of the caller's; `finish` neither syncs nor closes it.
class FdSink : public Sink {
 public:
  FdSink(int fd, std::string what);  ///< `what` names the file in errors
  void write(std::span<const std::byte> bytes) override;
  void finish() override {}

 private:
  int fd_;
  std::string what_;
};

/// Collects everything in memory; for small things and tests. Throws Error(exhausted) above `limit` bytes.
class StringSink : public Sink {
 public:
  explicit StringSink(std::size_t limit = std::size_t{1} << 30) : limit_(limit) {}
  void write(std::span<const std::byte> bytes) override;
  void finish() override {}
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] std::string take() noexcept { return std::move(text_); }

 private:
  std::string text_;
  std::size_t limit_;
};

/// Takes bytes and forgets them (to hash or to count only).
class NullSink : public Sink {
 public:
  void write(std::span<const std::byte>) override {}
  void finish() override {}
};

/// SHA-256 and length of what passes. `next` may be null: only the digest is wanted.
class HashSink : public Sink {
 public:
  explicit HashSink(Sink* next = nullptr) : next_(next) {}
  void write(std::span<const std::byte> bytes) override;
  void finish() override;
  [[nodiscard]] const Digest& digest() const noexcept { return digest_; }  ///< zero before `finish`
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  Sink* next_;
  Sha256 hash_;
  Digest digest_;
  std::uint64_t size_ = 0;
};

/// Gives everything to both, the first one first.
class TeeSink : public Sink {
 public:
  TeeSink(Sink& first, Sink& second) : first_(first), second_(second) {}
  void write(std::span<const std::byte> bytes) override;
  void finish() override;

 private:
  Sink& first_;
  Sink& second_;
};

/// Gives everything on until a stop request, which is Error(cancelled).
class StoppableSink : public Sink {
 public:
  StoppableSink(Sink& next, std::stop_token stop) : next_(next), stop_(std::move(stop)) {}
  void write(std::span<const std::byte> bytes) override;
  void finish() override { next_.finish(); }

 private:
  Sink& next_;
  std::stop_token stop_;
};

/// The same for what is read.
class StoppableSource : public Source {
 public:
  StoppableSource(Source& next, std::stop_token stop) : next_(next), stop_(std::move(stop)) {}
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  Source& next_;
  std::stop_token stop_;
};

/// Reads a descriptor of the caller's from where it stands. A stop request while it waits is Error(cancelled).
class FdSource : public Source {
 public:
  FdSource(int fd, std::string what, std::stop_token stop = {});
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  void wait() const;

  int fd_;
  std::string what_;
  std::stop_token stop_;
};

/// Reads memory of the caller's, which must outlive it. `chunk` limits the bytes of one read (0: no limit).
class MemorySource : public Source {
 public:
  explicit MemorySource(std::string_view text, std::size_t chunk = 0) : rest_(text), chunk_(chunk) {}
  explicit MemorySource(const char* text, std::size_t chunk = 0) : MemorySource(std::string_view(text), chunk) {}
  explicit MemorySource(std::string&&, std::size_t chunk = 0) = delete;  // would dangle
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  std::string_view rest_;
  std::size_t chunk_;
};

/// SHA-256 and length of what was read through it.
class HashSource : public Source {
 public:
  explicit HashSource(Source& in) : in_(in) {}
  std::size_t read(std::span<std::byte> buffer) override;
  /// Of everything read so far; ends the computation: call it once, after the last read.
  [[nodiscard]] Digest digest() { return hash_.finish(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  Source& in_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

[[nodiscard]] std::span<const std::byte> bytes_of(std::string_view text) noexcept;

/// Fills `buffer`; fewer bytes only at the end of `in`.
[[nodiscard]] std::size_t read_full(Source& in, std::span<std::byte> buffer);
/// Everything `in` has; Error(exhausted) above `limit` bytes.
[[nodiscard]] std::string read_all(Source& in, std::size_t limit = std::size_t{1} << 30);
/// Copies until the end of `in`, in pieces of 256 KiB; does not finish `out`. Gives the number of bytes.
std::uint64_t copy(Source& in, Sink& out);

}  // namespace dlc::codec
