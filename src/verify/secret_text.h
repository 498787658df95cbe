#pragma once
// Secrets in text by their form: private keys and the access keys whose form is unmistakable. Pure; thread-safe.
#include <string>
#include <string_view>

namespace dlc::verify {

/// Whether a PEM private key with its content is in the text; a mere heading, as in source code, is not one.
[[nodiscard]] bool has_private_key(std::string_view text);

/// What kind of access key is in the text ("an AWS access key"); empty: none. Keys of documentation (…EXAMPLE) do not
/// count.
[[nodiscard]] std::string access_key_in(std::string_view text);

/// Whether a URL with a password ("https://name:password@host") is in the text; "$PASSWORD" and "<password>" in its
/// place are none.
[[nodiscard]] bool has_url_password(std::string_view text);

}  // namespace dlc::verify
