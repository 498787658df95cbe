#pragma once
// Image references as Docker reads them: [registry[:port]/]path[:tag][@digest]; "debian" is
// docker.io/library/debian:latest.
#include <optional>
#include <string>
#include <string_view>

#include "codec/digest.h"

namespace dlc::oci {

struct Reference {
  std::string registry;  ///< "docker.io", "127.0.0.1:5000", ...
  std::string path;      ///< "library/debian"
  std::string tag;       ///< empty where only a digest was given; "latest" where neither was
  std::optional<codec::Digest> digest;

  [[nodiscard]] std::string str() const;         ///< full form
  [[nodiscard]] std::string familiar() const;    ///< short form: "debian:latest"
  [[nodiscard]] std::string repository() const;  ///< registry and path, without tag and digest
};

/// Throws Error(invalid) with Docker's words ("invalid reference format", "repository name must be lowercase").
[[nodiscard]] Reference parse_reference(std::string_view text);

/// Whether `text` is a tag: [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}.
[[nodiscard]] bool is_tag(std::string_view text) noexcept;

}  // namespace dlc::oci
