#pragma once
// The value of RUN --mount: "type=cache,target=/x,..." (one CSV record), checked against what each type allows.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dlc::dockerfile {

struct MountSpec {
  enum class Type { bind, cache, tmpfs, secret, ssh };
  enum class Sharing { shared, private_, locked };
  Type type = Type::bind;
  std::string from;  ///< stage, image or named context; bind and cache
  std::string source;
  std::string target;      ///< as written
  bool read_only = false;  ///< after the type's default
  std::string id;
  Sharing sharing = Sharing::shared;
  bool required = false;
  std::optional<std::uint64_t> size;  ///< tmpfs, bytes
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::string> env;  ///< secret
};

/// `expand` is applied to each value but `from`'s; null: values with variables are taken as they are and only names of
/// keys are checked. Throws Error(invalid) without a place: "unexpected key 'x' in 'x=1'", "invalid value for ...".
[[nodiscard]] MountSpec parse_mount(std::string_view text,
                                    const std::function<std::string(std::string_view)>& expand = nullptr);

}  // namespace dlc::dockerfile
