#pragma once
// The types of the OCI image-spec 1.1 (descriptor, manifest, index, config) and their JSON. Unknown fields of a config
// that came from elsewhere are kept in `extra` so that a child image does not lose them.
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/digest.h"

namespace dlc::oci {

using codec::Digest;

inline constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayerGzipType = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kLayerZstdType = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifestType = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerListType = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfigType = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayerGzipType = "application/vnd.docker.image.rootfs.diff.tar.gzip";

struct Platform {
  std::string os = "linux";
  std::string architecture;  ///< Go's names: amd64, arm64, ...
  std::string variant;       ///< "v8" or empty
  auto operator<=>(const Platform&) const = default;
};

/// "linux/arm64", "linux/arm/v7". Throws Error(invalid) naming the text. A bare architecture means linux. Other
/// spellings are made Go's as containerd does: x86_64 is amd64, aarch64 and arm64/v8 are arm64, arm is arm/v7.
[[nodiscard]] Platform parse_platform(std::string_view text);
[[nodiscard]] std::string to_string(const Platform& platform);
/// The same platform in its usual spelling (see `parse_platform`).
[[nodiscard]] Platform normalized(Platform platform);
/// Whether a program for `offered` runs where `wanted` is asked for, spelling aside.
[[nodiscard]] bool same_platform(const Platform& offered, const Platform& wanted);
/// The platform of this machine.
[[nodiscard]] Platform host_platform();

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;
  std::string artifact_type;
  /// The content in base64; written where set, never read: it would outlive a change of the digest.
  std::string data{};
};

struct HealthCheck {
  std::vector<std::string> test;  ///< {"NONE"}, {"CMD", ...} or {"CMD-SHELL", "..."}
  std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
  int retries = 0;
};

struct History {
  std::string created;  ///< RFC 3339; empty: left out
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
};

/// An image configuration (image-spec config.md, with Docker's additions Healthcheck, OnBuild, Shell).
struct ImageConfig {
  Platform platform;
  std::string created;
  std::string author;
  std::string user;
  std::vector<std::string> env;  ///< "K=V", in order
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> cmd;
  std::vector<std::string> exposed_ports;  ///< "80/tcp", sorted
  std::vector<std::string> volumes;        ///< sorted
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  bool args_escaped = false;
  std::optional<HealthCheck> healthcheck;
  std::vector<std::string> on_build;
  std::vector<std::string> shell;
  std::vector<Digest> diff_ids;
  std::vector<History> history;
  std::string os_version;
  std::string extra;         ///< unknown top-level members as JSON object text, or empty
  std::string extra_config;  ///< unknown members of "config", likewise
};

struct Manifest {
  std::string media_type{kManifestType};
  Descriptor config;
  std::vector<Descriptor> layers;
  std::map<std::string, std::string> annotations;
  std::string artifact_type;
  std::optional<Descriptor> subject;
};

struct Index {
  std::string media_type{kIndexType};
  std::vector<Descriptor> manifests;
  std::map<std::string, std::string> annotations;
};

[[nodiscard]] bool is_manifest_type(std::string_view media_type) noexcept;  ///< OCI's or Docker's
[[nodiscard]] bool is_index_type(std::string_view media_type) noexcept;     ///< OCI's or Docker's
/// A layer we can unpack: tar, plain, gzip or zstd, also the "nondistributable" and "foreign" ones.
[[nodiscard]] bool is_layer_type(std::string_view media_type) noexcept;
/// Layers whose bytes the registry need not hold.
[[nodiscard]] bool is_foreign_layer_type(std::string_view media_type) noexcept;

/// JSON with sorted, fixed member order: equal values give equal bytes. Parsers throw Error(invalid) that says what is
/// wrong and bound depth and size; a document with both "layers" and "manifests" is refused (CVE-2021-41190).
[[nodiscard]] std::string to_json(const ImageConfig& config);
[[nodiscard]] std::string to_json(const Manifest& manifest);
[[nodiscard]] std::string to_json(const Index& index);
[[nodiscard]] ImageConfig parse_config(std::string_view json);
[[nodiscard]] Manifest parse_manifest(std::string_view json);
[[nodiscard]] Index parse_index(std::string_view json);

/// What a document says it is; used where a registry or layout hands over bytes of either kind.
enum class DocumentKind { manifest, index };
/// Throws Error(invalid) for anything else, Error(unsupported) for Docker's schema 1.
[[nodiscard]] DocumentKind document_kind(std::string_view json);

/// The parts of an image must agree: as many layers as diff ids, each of a layer type, no zero digest. Throws
/// Error(invalid) that says which one does not.
void check_image(const Manifest& manifest, const ImageConfig& config);
/// Whether `history` accounts for each layer (an empty history does not).
[[nodiscard]] bool history_is_complete(const ImageConfig& config) noexcept;
/// Adds plain entries where layers have none, and marks surplus ones as empty, so that a child's history is in step.
void complete_history(ImageConfig& config);

/// chain id of a layer over its parent's (image-spec config.md, "Layer ChainID"); `parent` zero for the lowest.
[[nodiscard]] Digest chain_id(const Digest& parent, const Digest& diff_id);

/// "2020-01-01T00:00:00Z" of seconds (and nanoseconds) since the epoch.
[[nodiscard]] std::string rfc3339(std::int64_t seconds, std::uint32_t nanoseconds = 0);
/// Seconds since the epoch, or nullopt where the text is no RFC 3339 time.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text) noexcept;

}  // namespace dlc::oci
