#include "build/image_resolver.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <mutex>

#include "base/files.h"
#include "build/base_rootfs.h"
#include "oci/reference.h"
#include "registry/client.h"
#include "registry/layout.h"
#include "registry/pull.h"
#include "registry/source.h"

namespace dlc::build {

namespace {

constexpr std::string_view kLayoutScheme = "oci-layout://";
constexpr std::string_view kImageScheme = "docker-image://";
constexpr std::string_view kArchiveSchemes[] = {"docker-archive:", "oci-archive:"};

using Resolved = std::shared_ptr<const ResolvedImage>;

Resolved make_resolved(const std::string& name, const registry::ImageDocuments& documents, const std::string& origin,
                       const std::string& location) {
  return std::make_shared<ResolvedImage>(ResolvedImage{.name = name,
                                                       .manifest_digest = documents.descriptor.digest,
                                                       .manifest = documents.manifest,
                                                       .config = documents.config,
                                                       .origin = origin,
                                                       .origin_location = location});
}

Resolved from_store(const std::string& name, const Digest& manifest, const oci::Platform& platform, store::Store& store,
                    const std::string& origin, const std::string& location) {
  store.records().pin(manifest);  // before the first look: gc may be at work
  const auto source = registry::store_source(store, manifest);
  return make_resolved(name, registry::read_image(*source, platform), origin, location);
}

/// "PATH" or "PATH:REFERENCE" after the scheme; a file whose own name holds ":" wins.
struct ArchiveReference {
  std::string path;
  std::string name;
};

ArchiveReference parse_archive(std::string_view text) {
  const std::string whole(text);
  std::error_code ignored;
  const auto colon = whole.find(':');
  if (colon == std::string::npos || std::filesystem::exists(whole, ignored)) {
    return {whole, ""};
  }
  return {whole.substr(0, colon), whole.substr(colon + 1)};
}

std::shared_ptr<registry::ImageSource> open_archive(const std::string& location, const std::filesystem::path& scratch) {
  const auto wanted = parse_archive(location);
  auto images = registry::open_images(wanted.path, scratch);
  std::string names;
  for (auto& image : images) {
    for (const auto& name : image.names) {
      names += (names.empty() ? "" : ", ") + name;
      if (!wanted.name.empty() && (name == wanted.name || name == oci::parse_reference(wanted.name).str())) {
        return image.source;
      }
    }
  }
  if (wanted.name.empty() && images.size() == 1) {
    return images.front().source;
  }
  throw Error(ErrorKind::not_found, wanted.name.empty() ? fmt::format("{} holds {} images", wanted.path, images.size())
                                                        : fmt::format("{} has no image {}", wanted.path, wanted.name))
      .hint(names.empty() ? "its images have no names" : "it has: " + names + "; write docker-archive:FILE:NAME");
}

/// A source with whatever it needs to stay alive.
struct OpenSource {
  std::unique_ptr<registry::RegistryClient> client;
  std::optional<TemporaryDirectory> scratch;
  std::shared_ptr<registry::ImageSource> source;
};

OpenSource open_source(const std::string& origin, const std::string& location, store::Store& store,
                       const std::stop_token& stop = {}) {
  OpenSource open;
  if (origin == "registry") {
    open.client = std::make_unique<registry::RegistryClient>();
    open.source = registry::registry_source(*open.client, oci::parse_reference(location), stop);
  } else if (origin == "layout") {
    open.source = registry::open_layout(registry::parse_layout_reference(location));
  } else if (origin == "archive") {
    open.scratch.emplace(store.make_temporary_directory());
    open.source = open_archive(location, open.scratch->path());
  } else {
    throw Error(ErrorKind::corrupt, "a layer of the image is missing in the store")
        .hint("dlc store check says what is damaged; build or load the image again");
  }
  return open;
}

Error explain_registry(Error error, const oci::Reference& reference) {
  error.context("image " + reference.familiar());
  if (error.kind() != ErrorKind::cancelled) {
    const auto other = error.hint().empty() ? std::string() : error.hint() + "; ";
    error.hint(other +
               "no registry is needed with a base of base/images.toml: key `base: debian-bookworm` of the buildspec's "
               "image, or --build-arg BASE_IMAGE=dlc.local/base/debian-bookworm where the Dockerfile takes BASE_IMAGE");
  }
  return error;
}

}  // namespace

struct ImageFinder::State {
  store::Store& store;
  EventBus& bus;
  ResolverOptions options;
  std::stop_token stop;
  std::mutex mutex;
  std::map<std::string, std::shared_future<Resolved>> known;
  std::unique_ptr<registry::RegistryClient> client;  // made on first use: most builds never ask a registry

  registry::RegistryClient& registry_client() {
    const std::scoped_lock lock(mutex);
    if (!client) {
      client = std::make_unique<registry::RegistryClient>();
    }
    return *client;
  }

  Resolved find(const std::string& wanted, const oci::Platform& platform) {
    auto name = wanted;
    if (name.starts_with(kImageScheme)) {
      name.erase(0, kImageScheme.size());
    }
    if (name.starts_with(kBasePrefix)) {
      return find_base(name, platform);
    }
    if (name.starts_with(kLayoutScheme)) {
      return pull_from("layout", name, name, platform);
    }
    for (const auto scheme : kArchiveSchemes) {
      if (name.starts_with(scheme)) {
        return pull_from("archive", name, name.substr(scheme.size()), platform);
      }
    }
    const auto reference = oci::parse_reference(name);
    if (options.pull != PullPolicy::always) {
      if (auto local = find_local(name, reference, platform)) {
        return local;
      }
    }
    return find_remote(name, reference, platform);
  }

  Resolved find_base(const std::string& name, const oci::Platform& platform) {
    const auto reference = oci::parse_reference(name);
    const auto base = reference.path.substr(std::string_view("base/").size());
    if (!oci::same_platform(oci::host_platform(), platform)) {
      throw Error(ErrorKind::unsupported, fmt::format("the base {} is made for this machine's platform, {}, not for {}",
                                                      base, to_string(oci::host_platform()), to_string(platform)));
    }
    const auto bases = find_bases_file(options.bases_file);
    std::optional<Digest> manifest = reference.digest;
    if (!manifest) {
      manifest = options.make_bases ? base_image(base, bases, options.refresh_bases, store, bus, stop)
                                    : known_base_image(base, bases, store);
    }
    if (!manifest) {
      throw Error(ErrorKind::not_found, fmt::format("the base {} has not been made yet", base))
          .hint("dlc build makes it from the package mirror");
    }
    return from_store(name, *manifest, platform, store, "base", "");
  }

  Resolved find_local(const std::string& name, const oci::Reference& reference, const oci::Platform& platform) {
    if (reference.digest) {
      return store.blobs().contains(*reference.digest)
                 ? from_store(name, *reference.digest, platform, store, "store", "")
                 : nullptr;
    }
    for (const auto& spelling : {reference.str(), reference.familiar(), name}) {
      if (const auto record = store.records().find_image(spelling)) {
        return from_store(name, record->manifest, platform, store, "store", "");
      }
    }
    return nullptr;
  }

  Resolved pull_from(const std::string& origin, const std::string& name, const std::string& location,
                     const oci::Platform& platform) {
    const auto open = open_source(origin, location, store, stop);
    return pull(*open.source, name, origin, location, platform);
  }

  Resolved pull(registry::ImageSource& source, const std::string& name, const std::string& origin,
                const std::string& location, const oci::Platform& platform) {
    registry::PullOptions pull_options;
    pull_options.platform = platform;
    pull_options.layers = false;
    pull_options.stop = stop;
    const auto pulled = registry::pull_image(source, store, pull_options, bus);
    return std::make_shared<ResolvedImage>(ResolvedImage{.name = name,
                                                         .manifest_digest = pulled.descriptor.digest,
                                                         .manifest = pulled.manifest,
                                                         .config = pulled.config,
                                                         .origin = origin,
                                                         .origin_location = location});
  }

  /// What a remote name stood for the last time: the digest of its manifest or index, then that of the platform's
  /// manifest.
  struct Remembered {
    Digest root;
    Digest manifest;
  };

  static std::string remote_key(const oci::Reference& reference, const oci::Platform& platform) {
    return "remote/" + reference.str() + " " + to_string(platform);
  }

  std::optional<Remembered> remembered(const std::string& key) {
    const auto value = store.records().value(key);
    const auto blank = value ? value->find(' ') : std::string::npos;
    if (blank == std::string::npos) {
      return std::nullopt;
    }
    const auto root = Digest::try_parse(value->substr(0, blank));
    const auto manifest = Digest::try_parse(value->substr(blank + 1));
    if (!root || !manifest || !store.blobs().contains(*manifest)) {
      return std::nullopt;
    }
    return Remembered{*root, *manifest};
  }

  Resolved find_remote(const std::string& name, const oci::Reference& reference, const oci::Platform& platform) {
    const auto key = remote_key(reference, platform);
    const auto last = remembered(key);
    const auto use_last = [&] {
      return from_store(name, last->manifest, platform, store, "registry", reference.str());
    };
    if (last && (options.pull == PullPolicy::missing || options.pull == PullPolicy::never)) {
      return use_last();
    }
    if (options.pull == PullPolicy::never) {
      throw Error(ErrorKind::not_found,
                  "image " + reference.familiar() + " is not in the store, and --pull=never was given");
    }
    try {
      const auto source = registry::registry_source(registry_client(), reference, stop);
      const auto root = source->resolve();
      if (last && last->root == root.digest) {
        return use_last();
      }
      auto resolved = pull(*source, name, "registry", reference.str(), platform);
      store.records().set_value(key, root.digest.str() + " " + resolved->manifest_digest.str());
      return resolved;
    } catch (const Error& error) {
      const bool away = error.kind() == ErrorKind::network || error.kind() == ErrorKind::timeout;
      if (away && last && options.pull == PullPolicy::newer) {
        bus.message("warning",
                    fmt::format("{}: {}; the copy in the store is used", reference.familiar(), error.what()));
        return use_last();
      }
      throw explain_registry(error, reference);
    }
  }
};

ImageFinder::ImageFinder(store::Store& store, EventBus& bus, ResolverOptions options, std::stop_token stop)
    : state_(new State{.store = store,
                       .bus = bus,
                       .options = std::move(options),
                       .stop = std::move(stop),
                       .mutex = {},
                       .known = {},
                       .client = nullptr}) {}

ImageFinder::~ImageFinder() = default;

std::shared_ptr<const ResolvedImage> ImageFinder::resolve(const std::string& name, const oci::Platform& platform) {
  const auto key = name + " " + to_string(platform);
  std::promise<Resolved> promise;
  std::shared_future<Resolved> future;
  bool ours = false;
  {
    const std::scoped_lock lock(state_->mutex);
    auto& known = state_->known[key];
    ours = !known.valid();
    if (ours) {
      known = promise.get_future().share();
    }
    future = known;
  }
  if (ours) {
    try {
      promise.set_value(state_->find(name, platform));
    } catch (...) {  // handed on as it is to everyone who asked for the same name
      promise.set_exception(std::current_exception());
    }
  }
  return future.get();
}

Digest ensure_layers(const ResolvedImage& image, store::Store& store, EventBus& bus, ActivityId parent, bool blobs,
                     bool unpack, const std::stop_token& stop) {
  oci::check_image(image.manifest, image.config);
  Digest chain;
  std::vector<Digest> to_unpack;
  std::vector<oci::Descriptor> to_fetch;
  for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
    const auto& descriptor = image.manifest.layers[i];
    const auto below = chain;
    chain = oci::chain_id(below, image.config.diff_ids[i]);
    auto layer = store.layers().find(chain);
    if (!layer || layer->blob.is_zero()) {
      layer = store.layers().adopt(below, image.config.diff_ids[i], descriptor);
    }
    const bool must_unpack = unpack && !layer->unpacked;
    if (must_unpack) {
      to_unpack.push_back(chain);
    }
    if ((blobs || must_unpack) && !store.blobs().contains(descriptor.digest)) {
      to_fetch.push_back(descriptor);
    }
  }
  if (!to_fetch.empty()) {
    const auto open = open_source(image.origin, image.origin_location, store, stop);
    registry::PullOptions options;
    options.parent = parent;
    options.stop = stop;
    registry::ensure_layer_blobs(*open.source, store, to_fetch, options, bus);
  }
  for (const auto& wanted : to_unpack) {
    const auto lock = store.lock_step(codec::sha256("unpack " + wanted.hex()), [](const std::string&) {}, stop);
    if (const auto layer = store.layers().find(wanted); !layer->unpacked) {
      Activity activity(bus, ActivityKind::layer, "unpack " + wanted.str().substr(0, 19) + " of " + image.name, parent);
      finishing(activity, [&] { store.layers().unpack(wanted, stop, &activity); });
    }
  }
  return chain;
}

}  // namespace dlc::build
