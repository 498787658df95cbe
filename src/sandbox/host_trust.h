#pragma once
// The certificate authorities that this host trusts of its own: a company's, or a proxy's that looks into TLS.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::sandbox {

/// One PEM block found in a text.
struct PemBlock {
  std::string body;       ///< base64 without white space: what makes two certificates equal
  std::size_t begin = 0;  ///< offset of "-----BEGIN"
  std::size_t end = 0;    ///< after "-----END ...-----" and its newline
};

[[nodiscard]] std::vector<PemBlock> pem_blocks(std::string_view text);
/// The block as text, 64 columns wide, newline at the end.
[[nodiscard]] std::string pem_text(std::string_view body);

struct HostTrust {
  std::vector<std::string> bodies;  ///< PEM bodies, each once, in a stable order
  std::string bundle;               ///< all that the host trusts, PEM; may be empty
};

struct TrustSources {
  std::vector<std::filesystem::path> anchors;  ///< directories with the host's own certificates
  std::filesystem::path public_certificates;   ///< directory with those that everybody trusts
  std::vector<std::filesystem::path> bundles;  ///< the host's bundles; what is in none of the public ones is its own
};

/// Debian's and Red Hat's places, and what SSL_CERT_FILE, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE name.
[[nodiscard]] TrustSources host_trust_sources();
/// Unreadable files are passed over.
[[nodiscard]] HostTrust read_host_trust(const TrustSources& sources);
/// Of this host; read once.
[[nodiscard]] const HostTrust& host_trust();

}  // namespace dlc::sandbox
