#include "sandbox/host_trust.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files.h"

namespace dlc::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr std::uint64_t kBundleLimit = 16U << 20;

std::string read_if_there(const fs::path& path) {
  try {
    return read_file(path, kBundleLimit);
  } catch (const Error&) {
    return {};
  }
}

std::vector<fs::path> files_below(const fs::path& directory) {
  std::vector<fs::path> result;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(directory, ignored)) {
    const auto extension = entry.path().extension();
    if (extension == ".crt" || extension == ".pem") {
      result.push_back(entry.path());
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

void add_path(std::vector<fs::path>& paths, const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing of ours changes the environment
  if (value != nullptr && value[0] == '/') {
    paths.emplace_back(value);
  }
}

}  // namespace

std::vector<PemBlock> pem_blocks(std::string_view text) {
  std::vector<PemBlock> result;
  std::size_t at = 0;
  while ((at = text.find(kBegin, at)) != std::string_view::npos) {
    const auto end = text.find(kEnd, at);
    if (end == std::string_view::npos) {
      break;
    }
    PemBlock block;
    block.begin = at;
    for (const char c : text.substr(at + kBegin.size(), end - at - kBegin.size())) {
      if (c != '\n' && c != '\r' && c != ' ' && c != '\t') {
        block.body += c;
      }
    }
    block.end = end + kEnd.size();
    while (block.end < text.size() && text[block.end] == '\r') {
      ++block.end;
    }
    block.end += block.end < text.size() && text[block.end] == '\n' ? 1 : 0;
    at = block.end;
    result.push_back(std::move(block));
  }
  return result;
}

std::string pem_text(std::string_view body) {
  constexpr std::size_t kColumns = 64;
  std::string text(kBegin);
  text += '\n';
  for (std::size_t at = 0; at < body.size(); at += kColumns) {
    text.append(body.substr(at, kColumns)) += '\n';
  }
  return text.append(kEnd) += '\n';
}

TrustSources host_trust_sources() {
  TrustSources sources;
  sources.anchors = {"/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"};
  sources.public_certificates = "/usr/share/ca-certificates";
  for (const char* variable : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}) {
    add_path(sources.bundles, variable);
  }
  sources.bundles.emplace_back("/etc/ssl/certs/ca-certificates.crt");
  sources.bundles.emplace_back("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
  return sources;
}

HostTrust read_host_trust(const TrustSources& sources) {
  HostTrust trust;
  std::set<std::string> known;
  const auto add = [&](const std::string& text) {
    for (auto& block : pem_blocks(text)) {
      if (known.insert(block.body).second) {
        trust.bodies.push_back(std::move(block.body));
      }
    }
  };
  for (const auto& directory : sources.anchors) {
    for (const auto& file : files_below(directory)) {
      add(read_if_there(file));
    }
  }
  // Without the public ones a bundle cannot tell which of its certificates are the host's own.
  const auto public_files = files_below(sources.public_certificates);
  for (const auto& file : public_files) {
    for (auto& block : pem_blocks(read_if_there(file))) {
      known.insert(std::move(block.body));
    }
  }
  for (const auto& file : sources.bundles) {
    const auto text = read_if_there(file);
    if (!public_files.empty()) {
      add(text);
    }
    if (trust.bundle.empty()) {
      trust.bundle = text;
    }
  }
  return trust;
}

const HostTrust& host_trust() {
  static const HostTrust kTrust = read_host_trust(host_trust_sources());
  return kTrust;
}

}  // namespace dlc::sandbox
