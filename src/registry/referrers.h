#pragma once
// Documents beside an image (oci/artifact.h) on their way between the store and elsewhere: distribution-spec 1.1,
// "Pushing Manifests with Subject" and "Unavailable Referrers API".
#include <span>

#include "base/events.h"
#include "oci/reference.h"
#include "registry/client.h"
#include "registry/pull.h"
#include "registry/source.h"
#include "store/store.h"

namespace dlc::registry {

/// Sends what the store has attached to the manifests `subjects`, which are in the repository already, and to what it
/// sends. A registry without the referrers API gets the list under its tag, where the entries of others stay. Returns
/// how many manifests there are. Throws Error that names the one that the registry would not take.
unsigned push_referrers(RegistryClient& client, const oci::Reference& repository, store::Store& store,
                        std::span<const oci::Digest> subjects, std::stop_token stop = {});

/// Attaches to `subject`, which is in the store already, what `source` has for it, and to that. Everything is checked
/// against its digest before it is kept. Returns how many manifests there are.
unsigned pull_referrers(ImageSource& source, store::Store& store, const oci::Digest& subject,
                        const PullOptions& options, EventBus& bus);

}  // namespace dlc::registry
