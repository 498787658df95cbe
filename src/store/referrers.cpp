#include "store/referrers.h"

#include "base/error.h"

namespace dlc::store {

std::vector<oci::Descriptor> attach(Store& store, const oci::Descriptor& subject,
                                    std::span<const oci::Artifact> artifacts) {
  std::vector<oci::Descriptor> entries;
  std::vector<Digest> manifests;
  for (const auto& artifact : artifacts) {
    const auto manifest = oci::artifact_manifest(artifact, subject);
    const auto text = oci::to_json(manifest);
    store.blobs().put(artifact.content);
    store.blobs().put(oci::kEmptyContent);
    oci::Descriptor descriptor;
    descriptor.digest = store.blobs().put(text);
    descriptor.size = text.size();
    manifests.push_back(descriptor.digest);
    entries.push_back(oci::referrer_entry(manifest, descriptor));
  }
  store.records().add_referrers(subject.digest, manifests);
  return entries;
}

std::vector<Referrer> referrers_of(Store& store, const Digest& subject) {
  std::vector<Referrer> found;
  for (const auto& digest : store.records().referrers(subject)) {
    try {
      const auto text = store.blobs().read(digest);
      oci::Descriptor descriptor;
      descriptor.digest = digest;
      descriptor.size = text.size();
      auto manifest = oci::parse_manifest(text);
      descriptor = oci::referrer_entry(manifest, descriptor);
      found.push_back({std::move(descriptor), std::move(manifest)});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::invalid) {
        throw;
      }
    }
  }
  return found;
}

}  // namespace dlc::store
