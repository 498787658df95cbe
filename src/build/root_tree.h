#pragma once
// The file system of a stage or image, mounted (or plain) at a directory.
#include <filesystem>

#include "base/fd.h"
#include "build/tree.h"

namespace dlc::build {

class RootTree : public Tree {
 public:
  explicit RootTree(const std::filesystem::path& root);
  [[nodiscard]] std::optional<Node> lstat(const std::string& path) const override;
  [[nodiscard]] std::vector<std::string> list(const std::string& path) const override;
  [[nodiscard]] UniqueFd open(const std::string& path) const override;
  [[nodiscard]] std::string read_link(const std::string& path) const override;
  [[nodiscard]] std::map<std::string, std::string> xattrs(const std::string& path) const override;
  [[nodiscard]] int fd() const noexcept { return root_.get(); }

 private:
  UniqueFd root_;
};

/// Names in the directory `path` below `dir`, sorted. Links are not followed.
[[nodiscard]] std::vector<std::string> list_directory(int dir, const std::string& path);
[[nodiscard]] std::string read_link_at(int dir, const std::string& path);

}  // namespace dlc::build
