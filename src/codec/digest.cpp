#include "codec/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/error.h"

namespace dlc::codec {

namespace {

constexpr std::string_view kPrefix = "sha256:";

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return -1;
}

void check(int result) {
  if (result != 1) {
    throw Error(ErrorKind::internal, "SHA-256 computation failed");
  }
}

}  // namespace

std::optional<Digest> Digest::from_hex(std::string_view hex) {
  if (hex.size() != 2 * kSize) {
    return std::nullopt;
  }
  std::array<std::uint8_t, kSize> bytes{};
  for (std::size_t i = 0; i < kSize; ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return Digest(bytes);
}

std::optional<Digest> Digest::try_parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) {
    return std::nullopt;
  }
  return from_hex(text.substr(kPrefix.size()));
}

Digest Digest::parse(std::string_view text) {
  if (const auto digest = try_parse(text)) {
    return *digest;
  }
  constexpr std::size_t kShown = 100;  // an invalid one may be anything, a whole page too
  std::string shown(text.substr(0, kShown));
  if (text.size() > kShown) {
    shown += "...";
  }
  throw Error(ErrorKind::invalid, "invalid digest \"" + shown + "\": expected sha256: and 64 lower-case hex digits");
}

std::string Digest::hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * kSize);
  for (const std::uint8_t byte : bytes_) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Digest::str() const {
  return std::string(kPrefix) + hex();
}

bool Digest::is_zero() const noexcept {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

struct Sha256::State {
  struct Free {
    void operator()(EVP_MD_CTX* old) const noexcept { EVP_MD_CTX_free(old); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (!state_->context) {
    throw Error(ErrorKind::exhausted, "no memory for a SHA-256 computation");
  }
  check(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

void Sha256::update(std::string_view text) {
  update(std::as_bytes(std::span(text)));
}

Digest Sha256::finish() {
  std::array<std::uint8_t, Digest::kSize> bytes{};
  unsigned int size = 0;
  check(EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &size));
  return Digest(bytes);
}

Digest sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

}  // namespace dlc::codec
