#include "registry/push.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/stop.h"
#include "registry/referrers.h"

namespace dlc::registry {

namespace {

class BlobPush {
 public:
  BlobPush(RegistryClient& client, const oci::Reference& reference, store::Store& store, const PushOptions& options,
           EventBus& bus)
      : client_(client),
        reference_(reference),
        store_(store),
        options_(options),
        bus_(bus),
        forward_(options.stop, [this] { stop_.request_stop(); }) {}

  void run(std::vector<const oci::Descriptor*> blobs, Pushed& result) {
    blobs_ = std::move(blobs);
    const auto count = std::min<std::size_t>(std::max(1U, options_.parallel), blobs_.size());
    {
      std::vector<std::jthread> workers;
      for (std::size_t i = 1; i < count; ++i) {
        workers.emplace_back([this] { work(); });
      }
      work();
    }
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    check_stop(options_.stop);
    result.present = present_;
    result.mounted = mounted_;
    result.sent = sent_;
    result.bytes = bytes_;
  }

 private:
  void work() noexcept {
    while (!stop_.stop_requested()) {
      const auto index = next_++;
      if (index >= blobs_.size()) {
        return;
      }
      try {
        push(*blobs_[index]);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) {  // what fails after the first was stopped by it
          failure_ = std::current_exception();
        }
        stop_.request_stop();
      }
    }
  }

  void push(const oci::Descriptor& descriptor) {
    const auto stop = stop_.get_token();
    if (client_.has_blob(reference_, descriptor, stop)) {
      ++present_;
      return;
    }
    for (const auto& from : options_.mount_from) {
      if (from != reference_.path && client_.mount_blob(reference_, descriptor, from, stop)) {
        ++mounted_;
        return;
      }
    }
    Activity activity(bus_, ActivityKind::layer, "layer " + descriptor.digest.hex().substr(0, 12), options_.parent);
    try {
      const UniqueFd file = store_.blobs().open(descriptor.digest);
      client_.upload_blob(
          reference_, descriptor, file.get(), [&](std::uint64_t done) { activity.progress(done, descriptor.size); },
          stop);
    } catch (const Error& error) {
      activity.finish(error.kind() == ErrorKind::cancelled ? ActivityResult::cancelled : ActivityResult::failed,
                      error.message());
      throw;
    }
    activity.finish(ActivityResult::done);
    ++sent_;
    bytes_ += descriptor.size;
  }

  RegistryClient& client_;
  const oci::Reference& reference_;
  store::Store& store_;
  const PushOptions& options_;
  EventBus& bus_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_;
  std::vector<const oci::Descriptor*> blobs_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<unsigned> present_ = 0, mounted_ = 0, sent_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

struct Document {
  oci::Descriptor descriptor;
  std::string text;
};

/// What a push moves: the documents, those first that others name, and the blobs.
struct Contents {
  std::vector<Document> documents;
  std::vector<oci::Descriptor> blobs;

  void add_blob(const oci::Descriptor& descriptor) {
    const bool listed =
        std::any_of(blobs.begin(), blobs.end(), [&](const auto& other) { return other.digest == descriptor.digest; });
    if (!listed && !oci::is_foreign_layer_type(descriptor.media_type)) {
      blobs.push_back(descriptor);
    }
  }

  /// A manifest, or an index with all below it.
  void collect(store::Store& store, const oci::Digest& digest, int depth = 0) {
    constexpr int kDeepestIndex = 4;
    if (depth > kDeepestIndex) {
      throw Error(ErrorKind::invalid, "the image's indexes are nested too deeply");
    }
    auto text = store.blobs().read(digest);
    oci::Descriptor descriptor;
    descriptor.digest = digest;
    descriptor.size = text.size();
    if (oci::document_kind(text) == oci::DocumentKind::index) {
      const auto index = oci::parse_index(text);
      descriptor.media_type = index.media_type;
      for (const auto& entry : index.manifests) {
        collect(store, entry.digest, depth + 1);
      }
    } else {
      const auto manifest = oci::parse_manifest(text);
      descriptor.media_type = manifest.media_type;
      for (const auto& layer : manifest.layers) {
        add_blob(layer);
      }
      add_blob(manifest.config);
    }
    documents.push_back({std::move(descriptor), std::move(text)});
  }
};

void send_referrers(RegistryClient& client, const oci::Reference& reference, store::Store& store,
                    const Contents& contents, const PushOptions& options, Pushed& result) {
  std::vector<oci::Digest> subjects;
  for (const auto& document : contents.documents) {
    subjects.push_back(document.descriptor.digest);
  }
  try {
    result.referrers = push_referrers(client, reference, store, subjects, options.stop);
  } catch (Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      const auto remedy = error.kind() == ErrorKind::not_found || error.hint().empty() ? "" : error.hint() + "; ";
      error.hint(remedy + "push again, or leave it out: dlc image push --no-referrers");
    }
    throw error.context(reference.familiar() + " is pushed, but not all that belongs to it");
  }
}

}  // namespace

Pushed push_image(RegistryClient& client, const oci::Reference& reference, store::Store& store,
                  const oci::Digest& manifest, const PushOptions& options, EventBus& bus) {
  Contents contents;
  contents.collect(store, manifest);
  std::vector<const oci::Descriptor*> blobs;
  for (const auto& blob : contents.blobs) {
    blobs.push_back(&blob);
  }
  Pushed result;
  BlobPush(client, reference, store, options, bus).run(std::move(blobs), result);
  for (const auto& document : contents.documents) {
    auto target = reference;
    if (document.descriptor.digest != manifest) {  // a part of an index has no name of its own
      target.tag.clear();
      target.digest = document.descriptor.digest;
    }
    client.put_manifest(target, document.descriptor, document.text, options.stop);
  }
  result.descriptor = contents.documents.back().descriptor;
  if (options.referrers) {
    send_referrers(client, reference, store, contents, options, result);
  }
  return result;
}

}  // namespace dlc::registry
