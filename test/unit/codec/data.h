#pragma once
// Inputs that the codec's tests share.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "codec/compression.h"
#include "codec/sinks.h"
#include "codec/stream.h"

namespace dlc::codec::test {

/// The same bytes on every machine: a small linear congruential generator.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2654435769U + 1) {}
  std::uint32_t operator()() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>(state_ >> 33);
  }

 private:
  std::uint64_t state_;
};

/// Words in random order with some noise: compresses about as source text does.
inline std::string sample_text(std::size_t size, std::uint64_t seed = 1) {
  constexpr std::string_view kWords[] = {"layer ",  "digest ", "the ", "import numpy\n",
                                         "return ", "0x",      "    ", "sha256:"};
  Random random(seed);
  std::string text;
  while (text.size() < size) {
    const std::uint32_t draw = random();
    if (draw % 5 == 0) {
      text += std::to_string(draw);
    } else {
      text += kWords[draw / 5 % std::size(kWords)];
    }
  }
  text.resize(size);
  return text;
}

inline std::string noise(std::size_t size, std::uint64_t seed = 1) {
  Random random(seed);
  std::string text(size, '\0');
  for (char& c : text) {
    c = static_cast<char>(random());
  }
  return text;
}

inline std::string compressed(std::string_view text, const CompressionOptions& options, std::size_t piece = 0) {
  StringSink out;
  const auto sink = compress(out, options);
  if (piece == 0) {
    sink->write(bytes_of(text));
  } else {
    for (std::size_t at = 0; at < text.size(); at += piece) {
      sink->write(bytes_of(text.substr(at, piece)));
    }
  }
  sink->finish();
  return out.take();
}

inline std::string decompressed(std::string_view bytes, std::size_t chunk = 0, Compression* kind = nullptr) {
  MemorySource in(bytes, chunk);
  return read_all(*decompress(in, kind));
}

/// The kind of error that `action` throws; a test failure where it throws none or another type.
template <typename Action>
ErrorKind error_kind(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.kind();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorKind::internal;
}

/// Fails from the given byte on.
class FailingSink : public Sink {
 public:
  explicit FailingSink(std::size_t room) : room_(room) {}
  void write(std::span<const std::byte> bytes) override {
    if (bytes.size() > room_) {
      throw Error(ErrorKind::exhausted, "the disk is full");
    }
    room_ -= bytes.size();
  }
  void finish() override {}

 private:
  std::size_t room_;
};

/// Gives some bytes, then fails.
class FailingSource : public Source {
 public:
  explicit FailingSource(std::string_view text) : in_(text) {}
  std::size_t read(std::span<std::byte> buffer) override {
    if (const std::size_t count = in_.read(buffer)) {
      return count;
    }
    throw Error(ErrorKind::network, "the server broke off");
  }

 private:
  MemorySource in_;
};

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

}  // namespace dlc::codec::test
