#pragma once
// base64 (RFC 4648, section 4).
#include <optional>
#include <string>
#include <string_view>

namespace dlc::codec {

[[nodiscard]] std::string base64_encode(std::string_view bytes);
/// Standard alphabet, padding optional; nullopt for anything else.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace dlc::codec
