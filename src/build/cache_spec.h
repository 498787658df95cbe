#pragma once
// What --cache-from and --cache-to ask for, in the spelling of `docker buildx build`.
#include <string>
#include <string_view>

namespace dlc::build {

struct CacheSpec {
  enum class Type { local, registry };
  enum class Mode { min, max };
  Type type = Type::local;
  std::string place;          ///< directory, or reference of a registry
  std::string tag;            ///< local: name in the directory's index; empty: latest
  std::string digest;         ///< local, from: the manifest wanted; empty: by tag
  Mode mode = Mode::min;      ///< to: the layers of the result, or of every step
  bool ignore_error = false;  ///< to: a failure is a warning
};

/// "type=local,src=DIR[,tag=T][,digest=D]", "type=registry,ref=NAME", or a bare NAME (registry). Throws Error(usage);
/// Error(unsupported) for the types of services that are not there.
[[nodiscard]] CacheSpec parse_cache_from(std::string_view text);
/// "type=local,dest=DIR[,mode=min|max][,tag=T][,ignore-error=BOOL]", "type=registry,ref=NAME,...", or a bare NAME.
[[nodiscard]] CacheSpec parse_cache_to(std::string_view text);

}  // namespace dlc::build
