#pragma once
// The host's certificate authorities for one step: a topmost read-only lower directory that holds them, and their
// removal from the upper directory afterwards. docs/engine.md, "Host certificates".
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/host_trust.h"

namespace dlc::sandbox {

class InjectedCertificates {
 public:
  /// Fills `directory` (empty, root's) for a step on the root that the descriptor `root` shows: the image's bundle with
  /// the host's blocks added, and the certificates for update-ca-certificates to find. Directories get the owner, mode
  /// and times they have in the root, which they hide.
  InjectedCertificates(const HostTrust& trust, int root, std::filesystem::path directory);

  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  /// Variables for clients with a bundle of their own, as far as `env` has none of the name.
  [[nodiscard]] std::vector<std::string> variables(const std::vector<std::string>& env) const;
  /// Takes out of `upper` exactly what came from here: blocks in bundles, links to our files, marks about our files. A
  /// bundle that is then what it was before the step is dropped.
  void remove_from(const std::filesystem::path& upper) const;

 private:
  struct Bundle {
    std::string path;
    std::string before;  ///< the image's text
    std::uint32_t mode = 0, uid = 0, gid = 0;
  };

  bool copy_directory(int root, const std::string& path);
  void inject_bundle(int root, const std::string& path);
  void inject_anchors(const HostTrust& trust, int root);
  void set_times(int root) const;
  [[nodiscard]] std::string without_ours(std::string_view text) const;
  void clean_bundle(int upper, const std::string& path) const;
  void clean_links(int upper) const;
  void clean_anchors(int upper) const;
  void make_anchor_directory(int upper) const;

  std::filesystem::path directory_;
  std::vector<std::string> bodies_;  ///< added: the host's that the image does not trust already
  std::vector<Bundle> bundles_;
  std::vector<std::string> copied_;  ///< directories, parents first
  bool anchors_ = false;
  bool made_anchor_directory_ = false;
};

}  // namespace dlc::sandbox
