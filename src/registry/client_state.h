#pragma once
// What the reading half (client.cpp) and the writing half (upload.cpp) of the client share. Internal to registry.
#include <map>
#include <mutex>
#include <string>

#include "registry/client.h"
#include "registry/endpoint.h"

namespace dlc::registry {

struct RegistryClient::State {
  explicit State(RegistryOptions options) : endpoint(std::move(options)) {}

  [[nodiscard]] std::string url(const oci::Reference& repository, std::string_view kind, const std::string& name,
                                const std::stop_token& stop);
  net::Response get_manifest(const oci::Reference& reference, const std::string& method, const std::string& name,
                             const std::stop_token& stop);
  oci::Descriptor resolve_by_get(const oci::Reference& reference, const std::string& name, const std::stop_token& stop);

  Endpoint endpoint;
  std::mutex mutex;
  std::map<oci::Digest, std::string> texts;  ///< manifests that came as a by-product of `resolve`
};

}  // namespace dlc::registry
