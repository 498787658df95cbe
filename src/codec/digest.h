#pragma once
// SHA-256 digests, the identity of every blob, layer and key. Text form "sha256:<64 hex>" (OCI image-spec,
// descriptor.md, "Digests"). A value type; comparable and hashable.
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dlc::codec {

class Digest {
 public:
  static constexpr std::size_t kSize = 32;
  Digest() = default;  ///< all zero: "no digest"; see `is_zero`
  explicit Digest(const std::array<std::uint8_t, kSize>& bytes) : bytes_(bytes) {}

  /// Exactly "sha256:" and 64 lower-case hex digits, else nullopt (never a path, another algorithm, upper case).
  [[nodiscard]] static std::optional<Digest> try_parse(std::string_view text);
  /// As `try_parse`; throws Error(invalid) that quotes the text.
  [[nodiscard]] static Digest parse(std::string_view text);
  [[nodiscard]] static std::optional<Digest> from_hex(std::string_view hex);

  [[nodiscard]] std::string hex() const;
  [[nodiscard]] std::string str() const;  ///< "sha256:..."
  [[nodiscard]] bool is_zero() const noexcept;
  [[nodiscard]] const std::array<std::uint8_t, kSize>& bytes() const noexcept { return bytes_; }
  auto operator<=>(const Digest&) const = default;

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

/// Incremental SHA-256 (OpenSSL; SHA-NI where the CPU has it).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// Ends the computation; the object must not be used again.
  [[nodiscard]] Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] Digest sha256(std::string_view text);

}  // namespace dlc::codec

template <>
struct std::hash<dlc::codec::Digest> {
  std::size_t operator()(const dlc::codec::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
      value = value << 8 | digest.bytes()[i];
    }
    return value;
  }
};
