#pragma once
// Bytes in, bytes out: the two ends that codecs are chained with. Not thread-safe; one thread drives a chain.
#include <cstddef>
#include <span>

namespace dlc::codec {

class Sink {
 public:
  virtual ~Sink() = default;
  /// Takes all of `bytes`; throws Error.
  virtual void write(std::span<const std::byte> bytes) = 0;
  /// The end of the data: flushes and checks. Called exactly once; a sink destroyed without it has failed.
  virtual void finish() = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  /// Up to `buffer.size()` bytes, at least one unless at the end (0). Throws Error(corrupt) on damaged data.
  virtual std::size_t read(std::span<std::byte> buffer) = 0;
};

}  // namespace dlc::codec
