#include "contents/bytecode.h"

#include <bit>

#include "contents/image_tree.h"

namespace dlc::contents {

namespace {

constexpr std::uint16_t kPython311 = 3450;  // the first magic number of 3.11's development

std::uint64_t little_endian(std::string_view bytes) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

}  // namespace

std::uint64_t siphash(std::string_view data, std::uint64_t k0, std::uint64_t k1, int rounds,
                      int final_rounds) noexcept {
  std::uint64_t v0 = k0 ^ 0x736f6d6570736575U;
  std::uint64_t v1 = k1 ^ 0x646f72616e646f6dU;
  std::uint64_t v2 = k0 ^ 0x6c7967656e657261U;
  std::uint64_t v3 = k1 ^ 0x7465646279746573U;
  const auto mix = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto take = [&](std::uint64_t word) {
    v3 ^= word;
    mix(rounds);
    v0 ^= word;
  };
  std::size_t at = 0;
  for (; data.size() - at >= 8; at += 8) {
    take(little_endian(data.substr(at, 8)));
  }
  take(little_endian(data.substr(at)) | static_cast<std::uint64_t>(data.size()) << 56);
  v2 ^= 0xff;
  mix(final_rounds);
  return v0 ^ v1 ^ v2 ^ v3;
}

std::optional<Bytecode> parse_bytecode(std::string_view bytes) {
  if (bytes.size() < 16 || bytes.substr(2, 2) != "\r\n") {
    return std::nullopt;
  }
  Bytecode result;
  result.magic = static_cast<std::uint16_t>(little_endian(bytes.substr(0, 2)));
  result.flags = static_cast<std::uint32_t>(little_endian(bytes.substr(4, 4)));
  if (result.flags > 3 || result.flags == 2) {
    return std::nullopt;
  }
  result.mtime = static_cast<std::uint32_t>(little_endian(bytes.substr(8, 4)));
  result.size = static_cast<std::uint32_t>(little_endian(bytes.substr(12, 4)));
  result.hash = little_endian(bytes.substr(8, 8));
  return result;
}

std::uint64_t source_hash(std::string_view source, std::uint16_t magic) noexcept {
  // The key is the number importlib compares: the two bytes of the magic and "\r\n".
  const std::uint64_t key = magic | std::uint64_t{0x0a0d} << 16;
  return magic >= kPython311 ? siphash(source, key, 0, 1, 3) : siphash(source, key, 0, 2, 4);
}

std::string source_of_bytecode(std::string_view path) {
  const auto directory = directory_of(path);
  const auto name = base_name(path);
  if (base_name(directory) != "__pycache__" || !name.ends_with(".pyc")) {
    return "";
  }
  const auto above = directory_of(directory);
  auto stem = name.substr(0, name.size() - 4);
  if (const auto opt = stem.rfind(".opt-"); opt != std::string_view::npos) {
    stem = stem.substr(0, opt);
  }
  stem = stem.substr(0, stem.rfind('.'));
  return std::string(above) + (above.empty() ? "" : "/") + std::string(stem) + ".py";
}

}  // namespace dlc::contents
