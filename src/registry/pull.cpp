#include "registry/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/stop.h"
#include "codec/sinks.h"

namespace dlc::registry {

namespace {

/// Reports progress of one blob now and then; passes the bytes on.
class ProgressSink : public codec::Sink {
 public:
  ProgressSink(codec::Sink& out, Activity& activity, std::uint64_t total, const std::stop_token& stop)
      : out_(out), activity_(activity), total_(total), stop_(stop) {}
  void write(std::span<const std::byte> bytes) override {
    check_stop(stop_);
    out_.write(bytes);
    done_ += bytes.size();
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ >= std::chrono::milliseconds(100)) {
      last_ = now;
      activity_.progress(done_, total_);
    }
  }
  void finish() override {}

 private:
  codec::Sink& out_;
  Activity& activity_;
  std::uint64_t total_;
  const std::stop_token& stop_;
  std::uint64_t done_ = 0;
  std::chrono::steady_clock::time_point last_{};
};

bool fetch_layer(ImageSource& source, store::Store& store, const oci::Descriptor& descriptor, ActivityId parent,
                 EventBus& bus, const std::stop_token& stop) {
  auto& blobs = store.blobs();
  if (blobs.contains(descriptor.digest)) {
    return false;
  }
  Activity activity(bus, ActivityKind::layer, "layer " + descriptor.digest.hex().substr(0, 12), parent);
  try {
    const auto lock = store.lock_step(codec::sha256("blob " + descriptor.digest.str()), [&](const std::string& holder) {
      activity.log(LogStream::err, "waiting for " + holder + ", which fetches it too\n");
    });
    if (blobs.contains(descriptor.digest)) {
      activity.finish(ActivityResult::cached);
      return false;
    }
    activity.progress(0, descriptor.size);
    const auto writer = blobs.create();
    ProgressSink sink(*writer, activity, descriptor.size, stop);
    source.copy_blob(descriptor, sink);
    writer->finish();
    writer->commit(descriptor.digest);
    activity.progress(descriptor.size, descriptor.size);
    activity.finish(ActivityResult::done);
    return true;
  } catch (Error& error) {
    error.context("layer " + descriptor.digest.str());
    activity.finish(error);
    throw;
  }
}

/// The layers still to fetch, each once, and the first thing that went wrong.
class LayerQueue {
 public:
  LayerQueue(ImageSource& source, store::Store& store, const PullOptions& options, EventBus& bus)
      : source_(source), store_(store), options_(options), bus_(bus), forward_(options.stop, [this] {
          stop_.request_stop();
        }) {}

  std::uint64_t run(const std::vector<oci::Descriptor>& descriptors) {
    for (const auto& descriptor : descriptors) {
      const bool listed = std::any_of(missing_.begin(), missing_.end(),
                                      [&](const auto* other) { return other->digest == descriptor.digest; });
      if (!listed && !store_.blobs().contains(descriptor.digest)) {
        missing_.push_back(&descriptor);
      }
    }
    const auto count = std::min<std::size_t>(std::max(1U, options_.parallel), missing_.size());
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
    return fetched_;
  }

 private:
  void work() noexcept {
    while (!stop_.stop_requested()) {
      const auto index = next_++;
      if (index >= missing_.size()) {
        return;
      }
      try {
        const auto& descriptor = *missing_[index];
        if (fetch_layer(source_, store_, descriptor, options_.parent, bus_, token_)) {
          fetched_ += descriptor.size;
        }
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) {  // what fails after the first was stopped by it
          failure_ = std::current_exception();
        }
        stop_.request_stop();
      }
    }
  }

  ImageSource& source_;
  store::Store& store_;
  const PullOptions& options_;
  EventBus& bus_;
  std::stop_source stop_;
  std::stop_token token_ = stop_.get_token();
  std::stop_callback<std::function<void()>> forward_;
  std::vector<const oci::Descriptor*> missing_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::uint64_t> fetched_ = 0;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

bool ensure_layer_blob(ImageSource& source, store::Store& store, const oci::Descriptor& descriptor, ActivityId parent,
                       EventBus& bus) {
  return fetch_layer(source, store, descriptor, parent, bus, {});
}

std::uint64_t ensure_layer_blobs(ImageSource& source, store::Store& store,
                                 const std::vector<oci::Descriptor>& descriptors, const PullOptions& options,
                                 EventBus& bus) {
  return LayerQueue(source, store, options, bus).run(descriptors);
}

Pulled pull_image(ImageSource& source, store::Store& store, const PullOptions& options, EventBus& bus) {
  auto documents = read_image(source, options.platform);
  Pulled result;
  result.root = std::move(documents.root);
  result.descriptor = std::move(documents.descriptor);
  result.manifest = std::move(documents.manifest);
  result.config = std::move(documents.config);
  if (options.layers) {
    result.fetched = ensure_layer_blobs(source, store, result.manifest.layers, options, bus);
  }
  // The documents come last: a manifest in the store is the sign that its image was fetched.
  store.blobs().put(documents.config_text);
  store.blobs().put(documents.manifest_text);
  return result;
}

}  // namespace dlc::registry
