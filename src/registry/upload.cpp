// The writing half of the client: distribution-spec, "Push".
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "net/url.h"
#include "registry/client_state.h"

namespace dlc::registry {

namespace {

constexpr std::string_view kAccess = "pull,push";

std::string blob_name(const oci::Reference& repository, const oci::Descriptor& descriptor) {
  return fmt::format("blob {} of {}", descriptor.digest.str(), repository.familiar());
}

/// A file from its start, rewound for every new try.
net::Upload upload_of(int file, std::uint64_t size, const std::function<void(std::uint64_t)>& on_progress) {
  const auto offset = std::make_shared<std::uint64_t>(0);
  net::Upload upload;
  upload.size = size;
  upload.rewind = [offset] { *offset = 0; };
  upload.read = [offset, file, on_progress](std::span<std::byte> buffer) {
    const auto count = ::pread(file, buffer.data(), buffer.size(), static_cast<off_t>(*offset));
    if (count < 0) {
      throw system_error("read a blob to send");
    }
    *offset += static_cast<std::uint64_t>(count);
    if (on_progress) {
      on_progress(*offset);
    }
    return static_cast<std::size_t>(count);
  };
  return upload;
}

/// Where a POST said that the bytes should go, with the digest added.
std::string upload_url(const net::Response& response, const oci::Descriptor& descriptor, const std::string& registry) {
  const auto location = response.headers.get("location");
  if (!location) {
    throw Error(ErrorKind::network, fmt::format("registry {} takes an upload but does not say where", registry));
  }
  const auto url = net::resolve_url(net::parse_url(response.url), *location).str();
  return url + (url.find('?') == std::string::npos ? "?" : "&") + "digest=" + net::url_encode(descriptor.digest.str());
}

}  // namespace

bool RegistryClient::has_blob(const oci::Reference& repository, const oci::Descriptor& descriptor,
                              std::stop_token stop) {
  net::Request request;
  request.method = "HEAD";
  request.url = state_->url(repository, "blobs", descriptor.digest.str(), stop);
  request.stop = stop;
  const auto response = state_->endpoint.send(repository, kAccess, std::move(request));
  if (!response.ok() && response.status != 404) {
    throw state_->endpoint.refusal(repository, blob_name(repository, descriptor), response);
  }
  return response.ok();
}

bool RegistryClient::mount_blob(const oci::Reference& repository, const oci::Descriptor& descriptor,
                                const std::string& from, std::stop_token stop) {
  net::Request request;
  request.method = "POST";
  request.url = state_->url(repository, "blobs/uploads", "", stop) +
                "?mount=" + net::url_encode(descriptor.digest.str()) + "&from=" + net::url_encode(from);
  request.stop = stop;
  return state_->endpoint.send(repository, kAccess, std::move(request)).status == 201;
}

void RegistryClient::upload_blob(const oci::Reference& repository, const oci::Descriptor& descriptor, int file,
                                 const std::function<void(std::uint64_t)>& on_progress, std::stop_token stop) {
  auto& endpoint = state_->endpoint;
  const auto& http = endpoint.options().http;
  for (int attempt = 1;; ++attempt) {
    try {
      net::Request open;
      open.method = "POST";
      open.url = state_->url(repository, "blobs/uploads", "", stop);
      open.stop = stop;
      const auto opened = endpoint.send(repository, kAccess, std::move(open));
      if (opened.status != 202 && opened.status != 201) {
        throw endpoint.refusal(repository, "an upload to " + repository.familiar(), opened);
      }
      net::Request put;
      put.method = "PUT";
      put.url = upload_url(opened, descriptor, repository.registry);
      put.headers.emplace_back("Content-Type", "application/octet-stream");
      put.upload = upload_of(file, descriptor.size, on_progress);
      put.retry = false;  // a broken upload is begun anew: its session may be gone
      put.stop = stop;
      const auto response = endpoint.send(repository, kAccess, std::move(put));
      if (response.ok()) {
        return;
      }
      auto refused = endpoint.refusal(repository, blob_name(repository, descriptor), response);
      refused.retryable(response.status >= 500 || response.status == 429 || response.status == 404);
      throw refused;
    } catch (const Error& error) {
      if (!error.is_retryable() || attempt >= http.attempts) {
        throw;
      }
      if (http.on_retry) {
        http.on_retry(fmt::format("{}; sending the blob again", error.what()));
      }
      net::pause(net::backoff(http.first_pause, attempt), stop);
    }
    if (has_blob(repository, descriptor, stop)) {  // only the answer was lost
      return;
    }
  }
}

bool RegistryClient::put_manifest(const oci::Reference& reference, const oci::Descriptor& descriptor,
                                  const std::string& text, std::stop_token stop) {
  net::Request request;
  request.method = "PUT";
  request.url =
      state_->url(reference, "manifests", reference.tag.empty() ? descriptor.digest.str() : reference.tag, stop);
  request.headers.emplace_back("Content-Type", descriptor.media_type);
  request.body = text;
  request.stop = stop;
  const auto response = state_->endpoint.send(reference, kAccess, std::move(request));
  if (!response.ok()) {
    throw state_->endpoint.refusal(reference, "image " + reference.familiar(), response);
  }
  const auto stored = response.headers.get("docker-content-digest");
  if (stored && *stored != descriptor.digest.str()) {
    throw Error(ErrorKind::corrupt, fmt::format("registry {} stored {} as {}", reference.registry,
                                                descriptor.digest.str(), stored->substr(0, 80)));
  }
  return response.headers.get("oci-subject").has_value();
}

}  // namespace dlc::registry
