#pragma once
// A tar file whose members are read by name, in any order. Internal to registry.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/files.h"
#include "codec/stream.h"

namespace dlc::registry {

/// Reads the tar's headers once; a compressed one is unpacked first, into `scratch`. Thread-safe afterwards.
class TarArchive {
 public:
  TarArchive(const std::filesystem::path& file, const std::filesystem::path& scratch);

  struct Member {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };
  /// A regular file by its name; links inside the archive are followed (docker save makes them).
  [[nodiscard]] std::optional<Member> find(const std::string& name) const;
  /// Error(not_found) that names archive and member, Error(invalid) above `limit` bytes.
  [[nodiscard]] std::string read(const std::string& name, std::uint64_t limit) const;
  void copy(const Member& member, codec::Sink& out) const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  void unpack(const std::filesystem::path& scratch);
  void index();

  std::string name_;
  std::optional<TemporaryDirectory> unpacked_;
  UniqueFd file_;
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> links_;  ///< name -> cleaned target inside the archive
};

}  // namespace dlc::registry
