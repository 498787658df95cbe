#include "registry/referrers.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "store/referrers.h"

namespace dlc::registry {

namespace {

constexpr int kDeepest = 4;  // a signature of a document of an image, and some to spare

void push_blob(RegistryClient& client, const oci::Reference& repository, store::Store& store,
               const oci::Descriptor& blob, const std::stop_token& stop) {
  if (!client.has_blob(repository, blob, stop)) {
    const UniqueFd file = store.blobs().open(blob.digest);
    client.upload_blob(repository, blob, file.get(), {}, stop);
  }
}

/// Returns whether the registry took note of the subject.
bool push_artifact(RegistryClient& client, const oci::Reference& repository, store::Store& store,
                   const store::Referrer& referrer, const std::stop_token& stop) {
  for (const auto& layer : referrer.manifest.layers) {
    push_blob(client, repository, store, layer, stop);
  }
  push_blob(client, repository, store, referrer.manifest.config, stop);
  auto target = repository;
  target.tag.clear();
  target.digest = referrer.descriptor.digest;
  return client.put_manifest(target, referrer.descriptor, store.blobs().read(referrer.descriptor.digest), stop);
}

/// The list under the tag, or nothing where there is none.
std::string current_list(RegistryClient& client, const oci::Reference& list, const std::stop_token& stop) {
  oci::Descriptor found;
  try {
    found = client.resolve(list, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) {
      return {};
    }
    throw;
  }
  return client.manifest(list, found, stop);  // gone meanwhile is an error: it must not pass for an empty one
}

void update_list(RegistryClient& client, const oci::Reference& repository, const oci::Digest& subject,
                 std::span<const oci::Descriptor> entries, const std::stop_token& stop) {
  auto list = repository;
  list.digest.reset();
  list.tag = oci::referrers_tag(subject);
  const auto before = current_list(client, list, stop);
  auto text = before;
  try {
    for (const auto& entry : entries) {
      text = oci::with_referrer(text, entry);
    }
  } catch (Error& error) {
    throw error.context("tag " + list.familiar())
        .hint("the tag is meant for the list of what belongs to the image: remove it there");
  }
  if (text != before) {
    oci::Descriptor descriptor;
    descriptor.media_type = oci::kIndexType;
    descriptor.digest = codec::sha256(text);
    descriptor.size = text.size();
    client.put_manifest(list, descriptor, text, stop);
  }
}

}  // namespace

unsigned push_referrers(RegistryClient& client, const oci::Reference& repository, store::Store& store,
                        std::span<const oci::Digest> subjects, std::stop_token stop) {
  std::vector<oci::Digest> waiting(subjects.begin(), subjects.end());
  std::set<oci::Digest> sent;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto subject = waiting[i];
    std::vector<oci::Descriptor> unnoticed;
    for (const auto& referrer : store::referrers_of(store, subject)) {
      try {
        if (!push_artifact(client, repository, store, referrer, stop)) {
          unnoticed.push_back(referrer.descriptor);
        }
      } catch (Error& error) {
        throw error.context(fmt::format("{} {}", referrer.descriptor.artifact_type, referrer.descriptor.digest.str()));
      }
      if (sent.insert(referrer.descriptor.digest).second) {
        waiting.push_back(referrer.descriptor.digest);
      }
    }
    if (!unnoticed.empty() && !client.has_referrers_api(repository, subject, stop)) {
      update_list(client, repository, subject, unnoticed, stop);
    }
  }
  return static_cast<unsigned>(sent.size());
}

namespace {

void pull_level(ImageSource& source, store::Store& store, const oci::Digest& subject, const PullOptions& options,
                EventBus& bus, int depth, std::set<oci::Digest>& seen) {
  std::vector<oci::Digest> manifests;
  for (const auto& entry : source.referrers(subject)) {
    if (!seen.insert(entry.digest).second) {
      continue;
    }
    if (depth == kDeepest) {
      throw Error(ErrorKind::invalid, source.place() + ": documents of documents are nested too deeply");
    }
    const auto text = source.manifest(entry);
    const auto manifest = oci::parse_manifest(text);
    auto blobs = manifest.layers;
    blobs.push_back(manifest.config);
    ensure_layer_blobs(source, store, blobs, options, bus);
    manifests.push_back(store.blobs().put(text));
    pull_level(source, store, manifests.back(), options, bus, depth + 1, seen);
  }
  if (!manifests.empty()) {
    store.records().add_referrers(subject, manifests);
  }
}

}  // namespace

unsigned pull_referrers(ImageSource& source, store::Store& store, const oci::Digest& subject,
                        const PullOptions& options, EventBus& bus) {
  std::set<oci::Digest> seen;
  pull_level(source, store, subject, options, bus, 0, seen);
  return static_cast<unsigned>(seen.size());
}

}  // namespace dlc::registry
