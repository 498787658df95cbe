#include "cli/image_lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include "base/error.h"
#include "base/suggest.h"
#include "base/user_namespace.h"
#include "oci/reference.h"
#include "sandbox/merged_root.h"

namespace dlc::cli {

namespace {

LocalPlatform load_platform(store::Store& store, const oci::Digest& digest) {
  LocalPlatform result;
  result.digest = digest;
  result.manifest = oci::parse_manifest(store.blobs().read(digest));
  result.config = oci::parse_config(store.blobs().read(result.manifest.config.digest));
  result.platform = result.config.platform;
  return result;
}

/// This machine's platform, else the first.
std::size_t choose(const std::vector<LocalPlatform>& platforms) {
  for (std::size_t i = 0; i < platforms.size(); ++i) {
    if (oci::same_platform(platforms[i].platform, oci::host_platform())) {
      return i;
    }
  }
  return 0;
}

LocalImage load(store::Store& store, std::string name, const oci::Digest& digest, std::int64_t updated) {
  LocalImage image;
  image.name = std::move(name);
  image.digest = digest;
  image.updated = updated;
  store.records().pin(digest);  // before the first look: gc may be at work
  const auto text = store.blobs().read(digest);
  if (oci::document_kind(text) == oci::DocumentKind::manifest) {
    image.platforms.push_back(load_platform(store, digest));
    return image;
  }
  for (const auto& entry : oci::parse_index(text).manifests) {
    const bool image_entry =
        oci::is_manifest_type(entry.media_type) && !(entry.platform && entry.platform->os == "unknown");
    if (image_entry && store.blobs().contains(entry.digest)) {
      image.platforms.push_back(load_platform(store, entry.digest));
      image.platforms.back().platform = entry.platform.value_or(image.platforms.back().platform);
    }
  }
  if (image.platforms.empty()) {
    throw Error(ErrorKind::not_found, "the index " + digest.str() + " has no image in the store");
  }
  image.chosen = choose(image.platforms);
  return image;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// An image whose manifest or config digest starts with `hex`.
std::optional<LocalImage> find_by_digest(store::Store& store, std::string_view hex, std::string_view text) {
  std::optional<LocalImage> found;
  for (const auto& record : store.records().images()) {
    LocalImage image;
    try {
      image = load(store, record.name, record.manifest, record.updated);
    } catch (const Error&) {  // another image's damage does not matter here
      continue;
    }
    if (!image.digest.hex().starts_with(hex)) {
      const auto part = std::ranges::find_if(image.platforms, [&](const auto& platform) {
        return platform.digest.hex().starts_with(hex) || platform.manifest.config.digest.hex().starts_with(hex);
      });
      if (part == image.platforms.end()) {
        continue;
      }
      if (image.platforms.size() > 1) {  // one platform of an index by its own digest
        image = load(store, "", part->digest, record.updated);
      }
    }
    if (found && found->digest != image.digest) {
      throw Error(ErrorKind::invalid, fmt::format("{} stands for several images", text)).hint("give more digits");
    }
    found = std::move(image);
  }
  return found;
}

}  // namespace

std::unique_ptr<store::Store> open_store(const std::string& option) {
  enter_user_namespace();  // files of a user's store belong to the ids that the user has there
  auto store = store::Store::open(option.empty() ? store::Store::default_directory() : std::filesystem::path(option),
                                  sandbox::choose_snapshot_mode);
  if (store->layers().mode() == store::SnapshotMode::copy) {
    std::fputs(
        fmt::format("dlc: warning: the store {} was made to copy its files for each step\n"
                    "  one made on a plain disk (ext4, xfs, btrfs) without DLC_SNAPSHOTS=copy is faster: --store DIR\n",
                    store->directory().string())
            .c_str(),
        stderr);
  }
  return store;
}

namespace {

LocalImage find_any(store::Store& store, std::string_view text) {
  constexpr std::size_t kLeastDigits = 6;
  constexpr std::string_view kPrefix = "sha256:";
  const bool prefixed = text.starts_with(kPrefix);
  const auto hex = prefixed ? text.substr(kPrefix.size()) : text;
  const bool digest_like = is_hex(hex) && hex.size() >= kLeastDigits && hex.size() <= 64;
  if (prefixed || hex.size() == 64) {
    if (digest_like) {
      if (auto found = find_by_digest(store, hex, text)) {
        return std::move(*found);
      }
    }
    throw Error(ErrorKind::not_found, fmt::format("no image {} in the store", text)).hint("dlc image ls lists them");
  }
  const auto reference = oci::parse_reference(text);
  if (!reference.digest) {
    if (const auto record = store.records().find_image(reference.str())) {
      return load(store, record->name, record->manifest, record->updated);
    }
  } else if (auto found = find_by_digest(store, reference.digest->hex(), text)) {
    return std::move(*found);
  }
  if (digest_like) {
    if (auto found = find_by_digest(store, hex, text)) {
      return std::move(*found);
    }
  }
  std::vector<std::string> names;
  for (const auto& record : store.records().images()) {
    names.push_back(familiar_name(record.name));
  }
  const auto similar = closest(reference.familiar(), names);
  throw Error(ErrorKind::not_found, fmt::format("no image {} in the store", reference.familiar()))
      .hint(similar.empty() ? "dlc image ls lists them" : fmt::format("did you mean {}?", similar));
}

}  // namespace

std::string LocalImage::platform_names() const {
  std::string names;
  for (const auto& one : platforms) {
    names += (names.empty() ? "" : ", ") + oci::to_string(one.platform);
  }
  return names;
}

LocalImage find_image(store::Store& store, std::string_view text, const std::optional<oci::Platform>& platform) {
  auto image = find_any(store, text);
  if (platform) {
    const auto found = std::ranges::find_if(
        image.platforms, [&](const auto& one) { return oci::same_platform(one.platform, *platform); });
    if (found == image.platforms.end()) {
      throw Error(ErrorKind::not_found, fmt::format("{} is not in the store for {}", text, oci::to_string(*platform)))
          .hint("it is there for " + image.platform_names());
    }
    image.chosen = static_cast<std::size_t>(found - image.platforms.begin());
  }
  return image;
}

std::vector<LocalImage> list_images(store::Store& store, std::vector<std::string>& damaged) {
  std::vector<LocalImage> result;
  for (const auto& record : store.records().images()) {
    try {
      result.push_back(load(store, record.name, record.manifest, record.updated));
    } catch (const Error&) {
      damaged.push_back(record.name);
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return result;
}

std::string familiar_name(const std::string& name) {
  try {
    return oci::parse_reference(name).familiar();
  } catch (const Error&) {
    return name;
  }
}

std::uint64_t packed_size(const LocalImage& image) {
  std::uint64_t bytes = 0;
  std::set<oci::Digest> counted;
  const auto add = [&](const oci::Descriptor& blob) { bytes += counted.insert(blob.digest).second ? blob.size : 0; };
  for (const auto& one : image.platforms) {
    add(one.manifest.config);
    std::ranges::for_each(one.manifest.layers, add);
  }
  return bytes;
}

std::optional<std::uint64_t> layer_size(store::Store& store, const LocalImage& image, std::size_t index) {
  const auto& diff_ids = image.config().diff_ids;
  oci::Digest chain;
  for (std::size_t i = 0; i <= index && i < diff_ids.size(); ++i) {
    chain = oci::chain_id(chain, diff_ids[i]);
  }
  const auto layer = store.layers().find(chain);
  return layer && layer->size > 0 ? std::optional(layer->size) : std::nullopt;
}

std::optional<std::uint64_t> unpacked_size(store::Store& store, const LocalImage& image) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < image.config().diff_ids.size(); ++i) {
    const auto size = layer_size(store, image, i);
    if (!size) {
      return std::nullopt;
    }
    bytes += *size;
  }
  return bytes;
}

oci::Digest unpack_image(store::Store& store, const LocalImage& image) {
  oci::Digest chain;
  for (std::size_t i = 0; i < image.config().diff_ids.size(); ++i) {
    const auto& diff_id = image.config().diff_ids[i];
    const auto parent = chain;
    chain = oci::chain_id(parent, diff_id);
    auto layer = store.layers().find(chain);
    if (!layer) {
      if (i >= image.manifest().layers.size()) {
        throw Error(ErrorKind::corrupt, "the image has fewer layers than its configuration says");
      }
      layer = store.layers().adopt(parent, diff_id, image.manifest().layers[i]);
    }
    if (!layer->unpacked) {
      layer = store.layers().unpack(chain);
    }
  }
  return chain;
}

std::string age(std::int64_t when) {
  if (when == 0) {
    return "-";
  }
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const auto seconds = std::max<std::int64_t>(0, now.count() - when);
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr Unit kUnits[] = {{86'400LL * 365, "year"}, {86'400LL * 30, "month"}, {86'400LL * 7, "week"},
                             {86'400, "day"},          {3'600, "hour"},          {60, "minute"}};
  for (const auto& unit : kUnits) {
    if (seconds >= unit.seconds) {
      const auto count = seconds / unit.seconds;
      return fmt::format("{} {}{} ago", count, unit.name, count == 1 ? "" : "s");
    }
  }
  return "just now";
}

}  // namespace dlc::cli
