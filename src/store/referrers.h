#pragma once
// Documents beside an image (oci/artifact.h) in the store: which artifact manifests name which manifest as their
// subject. They stay as long as the subject does, and go with it (Store::gc).
#include <span>
#include <vector>

#include "oci/artifact.h"
#include "store/store.h"

namespace dlc::store {

struct Referrer {
  oci::Descriptor descriptor;  ///< as a list of referrers has it: with artifact type and annotations
  oci::Manifest manifest;
};

/// Puts each artifact into the store with `subject` as its subject, durable on return. What is there already is no
/// second one. The entries, in the order of `artifacts`.
std::vector<oci::Descriptor> attach(Store& store, const oci::Descriptor& subject,
                                    std::span<const oci::Artifact> artifacts);

/// What belongs to `subject`, in the order of digests. What is damaged or gone is left out; Store::check names it.
[[nodiscard]] std::vector<Referrer> referrers_of(Store& store, const Digest& subject);

}  // namespace dlc::store
