// Any bytes as a compressed stream: content or Error(corrupt/unsupported). gzip is decoded by zlib too: both must
// agree.
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "codec/compression.h"
#include "codec/sinks.h"

namespace {

using dlc::Error;
using dlc::ErrorKind;
namespace codec = dlc::codec;

constexpr std::size_t kMost = 4 << 20;

/// nullopt: damaged. Content above `kMost` ends the comparison.
std::optional<std::string> ours(std::string_view bytes, codec::Compression& kind) {
  std::string text;
  try {
    codec::MemorySource in(bytes);
    const auto source = codec::decompress(in, &kind);
    std::vector<std::byte> buffer(1 + bytes.size() % 5000);
    while (const std::size_t count = source->read(buffer)) {
      text.append(reinterpret_cast<const char*>(buffer.data()), count);
      if (text.size() > kMost) {
        break;
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::unsupported) {
      std::abort();
    }
    return std::nullopt;
  }
  return text;
}

/// All members by zlib.
std::optional<std::string> theirs(std::string bytes) {
  std::string text;
  std::size_t at = 0;
  while (at < bytes.size()) {
    z_stream stream{};
    constexpr int kGzip = 15 + 16;
    if (inflateInit2(&stream, kGzip) != Z_OK) {
      std::abort();
    }
    stream.next_in = reinterpret_cast<Bytef*>(bytes.data() + at);
    stream.avail_in = static_cast<uInt>(bytes.size() - at);
    std::vector<char> buffer(1 << 16);
    int status = Z_OK;
    while (status == Z_OK && text.size() <= kMost) {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      status = inflate(&stream, Z_NO_FLUSH);
      text.append(buffer.data(), buffer.size() - stream.avail_out);
    }
    at = bytes.size() - stream.avail_in;
    inflateEnd(&stream);
    if (text.size() > kMost) {
      return text;
    }
    if (status != Z_STREAM_END) {
      return std::nullopt;
    }
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  codec::Compression kind = codec::Compression::none;
  const auto text = ours(bytes, kind);
  if (kind != codec::Compression::gzip) {
    return 0;
  }
  // zlib verifies the check of the header too, which we don't: it may refuse what we read.
  const auto expected = theirs(bytes);
  const bool both_long = text && expected && text->size() > kMost && expected->size() > kMost;
  if (expected && !both_long && text != expected) {
    std::abort();
  }
  return 0;
}
