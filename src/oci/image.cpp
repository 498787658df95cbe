// What can be said of images without their JSON: media types, chain ids, times, consistency.
#include "oci/image.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ctime>

#include "base/error.h"

namespace dlc::oci {

bool is_manifest_type(std::string_view media_type) noexcept {
  return media_type == kManifestType || media_type == kDockerManifestType;
}

bool is_index_type(std::string_view media_type) noexcept {
  return media_type == kIndexType || media_type == kDockerListType;
}

bool is_foreign_layer_type(std::string_view media_type) noexcept {
  return media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         media_type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

bool is_layer_type(std::string_view media_type) noexcept {
  constexpr std::array<std::string_view, 12> kTypes{kLayerType,
                                                    kLayerGzipType,
                                                    kLayerZstdType,
                                                    kDockerLayerGzipType,
                                                    "application/vnd.docker.image.rootfs.diff.tar",
                                                    "application/vnd.docker.image.rootfs.diff.tar.zstd",
                                                    "application/vnd.docker.container.image.rootfs.diff+x-gtar",
                                                    "application/vnd.oci.image.layer.nondistributable.v1.tar",
                                                    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                                                    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                                                    "application/vnd.docker.image.rootfs.foreign.diff.tar",
                                                    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"};
  for (const auto type : kTypes) {
    if (type == media_type) {
      return true;
    }
  }
  return false;
}

void check_image(const Manifest& manifest, const ImageConfig& config) {
  if (manifest.layers.size() != config.diff_ids.size()) {
    throw Error(ErrorKind::invalid, fmt::format("the manifest lists {} layers but the config has {} diff ids",
                                                manifest.layers.size(), config.diff_ids.size()));
  }
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    if (!is_layer_type(manifest.layers[i].media_type)) {
      throw Error(ErrorKind::unsupported,
                  fmt::format("layer {} has the media type \"{}\", which is no file system layer", i + 1,
                              manifest.layers[i].media_type));
    }
    if (manifest.layers[i].digest.is_zero() || config.diff_ids[i].is_zero()) {
      throw Error(ErrorKind::invalid, fmt::format("layer {} has no digest", i + 1));
    }
  }
}

bool history_is_complete(const ImageConfig& config) noexcept {
  std::size_t layers = 0;
  for (const auto& entry : config.history) {
    layers += entry.empty_layer ? 0U : 1U;
  }
  return layers == config.diff_ids.size();
}

void complete_history(ImageConfig& config) {
  std::size_t layers = 0;
  for (auto& entry : config.history) {
    if (!entry.empty_layer && layers == config.diff_ids.size()) {
      entry.empty_layer = true;
    }
    layers += entry.empty_layer ? 0U : 1U;
  }
  for (; layers < config.diff_ids.size(); ++layers) {
    History entry;
    entry.created = config.created;
    entry.comment = "layer of unknown origin";
    config.history.push_back(std::move(entry));
  }
}

Digest chain_id(const Digest& parent, const Digest& diff_id) {
  return parent.is_zero() ? diff_id : codec::sha256(parent.str() + " " + diff_id.str());
}

std::string rfc3339(std::int64_t seconds, std::uint32_t nanoseconds) {
  std::tm time{};
  const auto value = static_cast<std::time_t>(seconds);
  if (::gmtime_r(&value, &time) == nullptr || time.tm_year < -1900 || time.tm_year > 8099) {
    throw Error(ErrorKind::invalid, fmt::format("{} seconds since 1970 is outside the years 0 to 9999", seconds));
  }
  auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", time.tm_year + 1900, time.tm_mon + 1, time.tm_mday,
                          time.tm_hour, time.tm_min, time.tm_sec);
  if (nanoseconds != 0) {
    text += fmt::format(".{:09}", nanoseconds);
    while (text.back() == '0') {
      text.pop_back();
    }
  }
  return text + "Z";
}

namespace {

/// Reads exactly `width` digits at `at`, or -1.
int digits(std::string_view text, std::size_t at, std::size_t width) noexcept {
  if (text.size() < at + width) {
    return -1;
  }
  int value = 0;
  for (std::size_t i = at; i < at + width; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return -1;
    }
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) noexcept {
  constexpr std::size_t kSeconds = 19;  // "2020-01-01T00:00:00"
  std::tm time{};
  time.tm_year = digits(text, 0, 4) - 1900;
  time.tm_mon = digits(text, 5, 2) - 1;
  time.tm_mday = digits(text, 8, 2);
  time.tm_hour = digits(text, 11, 2);
  time.tm_min = digits(text, 14, 2);
  time.tm_sec = digits(text, 17, 2);
  if (text.size() <= kSeconds || time.tm_year < -1900 || time.tm_mon < 0 || time.tm_mon > 11 || time.tm_mday < 1 ||
      time.tm_mday > 31 || time.tm_hour < 0 || time.tm_hour > 23 || time.tm_min < 0 || time.tm_min > 59 ||
      time.tm_sec < 0 || time.tm_sec > 60 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':' ||
      (text[10] != 'T' && text[10] != 't')) {
    return std::nullopt;
  }
  auto rest = text.substr(kSeconds);
  if (rest[0] == '.') {
    const auto end = rest.find_first_not_of("0123456789", 1);
    if (end == 1 || end == std::string_view::npos) {
      return std::nullopt;
    }
    rest.remove_prefix(end);
  }
  std::int64_t offset = 0;
  if (rest != "Z" && rest != "z") {
    const int hours = digits(rest, 1, 2);
    const int minutes = digits(rest, 4, 2);
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' || hours < 0 || minutes < 0) {
      return std::nullopt;
    }
    offset = (std::int64_t{hours} * 60 + minutes) * (rest[0] == '+' ? 60 : -60);
  }
  return static_cast<std::int64_t>(::timegm(&time)) - offset;
}

}  // namespace dlc::oci
