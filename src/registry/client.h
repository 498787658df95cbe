#pragma once
// A registry of the OCI distribution-spec 1.1 over HTTP. Anonymous, bearer-token and basic authentication with the
// credentials that `docker login` keeps. Plain HTTP only for this machine and for hosts listed as insecure.
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "net/http.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "registry/source.h"

namespace dlc::registry {

struct RegistryOptions {
  /// "host" or "host:port": plain HTTP, or TLS with an unknown certificate. Those of the variable
  /// DLC_INSECURE_REGISTRIES (separated by commas) come on top.
  std::vector<std::string> insecure;
  std::filesystem::path docker_config;  ///< directory; empty: DOCKER_CONFIG, else ~/.docker
  net::ClientOptions http;
};

/// Thread-safe. Keeps tokens and connections; one for the whole run.
class RegistryClient {
 public:
  explicit RegistryClient(RegistryOptions options = {});
  ~RegistryClient();
  RegistryClient(const RegistryClient&) = delete;
  RegistryClient& operator=(const RegistryClient&) = delete;

  /// What a tag or digest stands for now: one HEAD (a GET where the registry gives no digest). Errors: not_found,
  /// denied, network, timeout; each names the registry, the image and what to do.
  [[nodiscard]] oci::Descriptor resolve(const oci::Reference& reference, std::stop_token stop = {});
  /// A manifest or index by digest, checked.
  [[nodiscard]] std::string manifest(const oci::Reference& repository, const oci::Descriptor& descriptor,
                                     std::stop_token stop = {});
  /// Streams a blob; broken connections are resumed. See ImageSource::copy_blob.
  void copy_blob(const oci::Reference& repository, const oci::Descriptor& descriptor, codec::Sink& out,
                 std::stop_token stop = {});

  [[nodiscard]] bool has_blob(const oci::Reference& repository, const oci::Descriptor& descriptor,
                              std::stop_token stop = {});
  /// Makes a blob of another repository of the same registry (`from`, its path) one of this, without sending it. False
  /// where the registry would rather have the bytes.
  bool mount_blob(const oci::Reference& repository, const oci::Descriptor& descriptor, const std::string& from,
                  std::stop_token stop = {});
  /// Sends the blob that `file` holds, from the start as often as it takes. `on_progress` gets the bytes sent so far.
  void upload_blob(const oci::Reference& repository, const oci::Descriptor& descriptor, int file,
                   const std::function<void(std::uint64_t)>& on_progress, std::stop_token stop = {});
  /// Under the reference's tag, else its digest. Returns whether the registry took note of the manifest's subject
  /// (distribution-spec, "Pushing Manifests with Subject"): it answers with the header OCI-Subject then.
  bool put_manifest(const oci::Reference& reference, const oci::Descriptor& descriptor, const std::string& text,
                    std::stop_token stop = {});
  /// Whether the registry lists the referrers of `subject` itself (distribution-spec, "Listing Referrers").
  [[nodiscard]] bool has_referrers_api(const oci::Reference& repository, const oci::Digest& subject,
                                       std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One image of a registry as a source. The client must outlive it.
[[nodiscard]] std::unique_ptr<ImageSource> registry_source(RegistryClient& client, oci::Reference reference,
                                                           std::stop_token stop = {});

}  // namespace dlc::registry
