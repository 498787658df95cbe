#include "registry/client.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <mutex>

#include "base/error.h"
#include "oci/json_guard.h"
#include "registry/client_state.h"
#include "registry/verify.h"

namespace dlc::registry {

namespace {

net::HeaderList accepted_types() {
  net::HeaderList result;
  for (const auto type : {oci::kIndexType, oci::kManifestType, oci::kDockerListType, oci::kDockerManifestType}) {
    result.emplace_back("Accept", type);
  }
  return result;
}

/// "image a/b:1" as the user knows it, for messages.
std::string image_name(const oci::Reference& reference) {
  return "image " + reference.familiar();
}

std::string content_type(const net::Response& response) {
  auto type = response.headers.get("content-type").value_or("");
  type.resize(std::min(type.find(';'), type.size()));
  while (!type.empty() && type.back() == ' ') {
    type.pop_back();
  }
  return type;
}

std::uint64_t content_length(const net::Response& response) {
  const auto text = response.headers.get("content-length").value_or("0");
  std::uint64_t size = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), size);
  return failed == std::errc() && end == text.data() + text.size() ? size : 0;
}

}  // namespace

/// For registries whose HEAD says nothing of use: fetch the document itself.
oci::Descriptor RegistryClient::State::resolve_by_get(const oci::Reference& reference, const std::string& name,
                                                      const std::stop_token& stop) {
  const auto response = get_manifest(reference, "GET", name, stop);
  if (!response.ok()) {
    throw endpoint.refusal(reference, image_name(reference), response);
  }
  oci::Descriptor result;
  result.media_type = content_type(response);
  result.digest = reference.digest.value_or(codec::sha256(response.body));
  result.size = response.body.size();
  check_manifest(result, response.body, "registry " + reference.registry);
  const std::lock_guard lock(mutex);
  texts.emplace(result.digest, response.body);
  return result;
}

std::string RegistryClient::State::url(const oci::Reference& repository, std::string_view kind, const std::string& name,
                                       const std::stop_token& stop) {
  return fmt::format("{}/v2/{}/{}/{}", endpoint.base_url(repository.registry, stop), repository.path, kind, name);
}

net::Response RegistryClient::State::get_manifest(const oci::Reference& reference, const std::string& method,
                                                  const std::string& name, const std::stop_token& stop) {
  net::Request request;
  request.method = method;
  request.url = url(reference, "manifests", name, stop);
  request.headers = accepted_types();
  request.body_limit = oci::kMaxDocument;
  request.stop = stop;
  return endpoint.send(reference, "pull", std::move(request));
}

RegistryClient::RegistryClient(RegistryOptions options) : state_(std::make_unique<State>(std::move(options))) {}
RegistryClient::~RegistryClient() = default;

oci::Descriptor RegistryClient::resolve(const oci::Reference& reference, std::stop_token stop) {
  const auto name = reference.digest ? reference.digest->str() : reference.tag;
  const auto response = state_->get_manifest(reference, "HEAD", name, stop);
  if (response.status == 401 || response.status == 403 || response.status == 429 || response.status >= 500) {
    throw state_->endpoint.refusal(reference, image_name(reference), response);
  }
  const auto stated = codec::Digest::try_parse(response.headers.get("docker-content-digest").value_or(""));
  if (!response.ok() || (!stated && !reference.digest)) {
    return state_->resolve_by_get(reference, name, stop);  // a 404 to HEAD has no reason in it; the GET's has
  }
  if (reference.digest && stated && *stated != *reference.digest) {
    throw Error(ErrorKind::corrupt, fmt::format("registry {} answers the request for {} with {}", reference.registry,
                                                reference.familiar(), stated->str()));
  }
  oci::Descriptor result;
  result.media_type = content_type(response);
  result.digest = reference.digest ? *reference.digest : *stated;
  result.size = content_length(response);
  return result;
}

std::string RegistryClient::manifest(const oci::Reference& repository, const oci::Descriptor& descriptor,
                                     std::stop_token stop) {
  {
    const std::lock_guard lock(state_->mutex);
    if (const auto it = state_->texts.find(descriptor.digest); it != state_->texts.end()) {
      return it->second;
    }
  }
  auto response = state_->get_manifest(repository, "GET", descriptor.digest.str(), stop);
  if (!response.ok()) {
    throw state_->endpoint.refusal(repository, image_name(repository), response);
  }
  const auto place = "registry " + repository.registry;
  check_manifest(descriptor, response.body, place);
  auto announced = descriptor;
  announced.media_type = content_type(response);
  check_manifest(announced, response.body, place);
  return std::move(response.body);
}

bool RegistryClient::has_referrers_api(const oci::Reference& repository, const oci::Digest& subject,
                                       std::stop_token stop) {
  net::Request request;
  request.url = state_->url(repository, "referrers", subject.str(), stop);
  request.headers.emplace_back("Accept", oci::kIndexType);
  request.body_limit = oci::kMaxDocument;
  request.stop = stop;
  const auto response = state_->endpoint.send(repository, "pull", std::move(request));
  if (response.status == 401 || response.status == 403 || response.status == 429 ||
      (response.status >= 500 && response.status != 501)) {
    throw state_->endpoint.refusal(repository, "the referrers of " + subject.str(), response);
  }
  return response.ok() && content_type(response) == oci::kIndexType;  // else a page of something else, or a 404
}

void RegistryClient::copy_blob(const oci::Reference& repository, const oci::Descriptor& descriptor, codec::Sink& out,
                               std::stop_token stop) {
  auto& endpoint = state_->endpoint;
  VerifyingSink checked(out, descriptor, "registry " + repository.registry);
  net::Request request;
  request.url = state_->url(repository, "blobs", descriptor.digest.str(), stop);
  request.stop = stop;
  net::DownloadOptions options;
  options.size = descriptor.size;
  options.verified = true;
  options.first_pause = endpoint.options().http.first_pause;
  options.on_retry = endpoint.options().http.on_retry;
  const auto response =
      net::download([&](const net::Request& one,
                        const net::Receiver& receiver) { return endpoint.send(repository, "pull", one, &receiver); },
                    request, [&](std::span<const std::byte> bytes) { checked.write(bytes); }, options);
  if (!response.ok()) {
    throw endpoint.refusal(repository, fmt::format("blob {} of {}", descriptor.digest.str(), repository.familiar()),
                           response);
  }
  checked.finish();
}

namespace {

class RegistrySource : public ImageSource {
 public:
  RegistrySource(RegistryClient& client, oci::Reference reference, std::stop_token stop)
      : client_(client), reference_(std::move(reference)), stop_(std::move(stop)) {}

  [[nodiscard]] std::string place() const override { return "registry " + reference_.registry; }
  [[nodiscard]] oci::Descriptor resolve() override { return client_.resolve(reference_, stop_); }
  [[nodiscard]] std::string manifest(const oci::Descriptor& descriptor) override {
    return client_.manifest(reference_, descriptor, stop_);
  }
  void copy_blob(const oci::Descriptor& descriptor, codec::Sink& out) override {
    client_.copy_blob(reference_, descriptor, out, stop_);
  }

 private:
  RegistryClient& client_;
  oci::Reference reference_;
  std::stop_token stop_;
};

}  // namespace

std::unique_ptr<ImageSource> registry_source(RegistryClient& client, oci::Reference reference, std::stop_token stop) {
  return std::make_unique<RegistrySource>(client, std::move(reference), std::move(stop));
}

}  // namespace dlc::registry
