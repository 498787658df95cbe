#pragma once
// A build context as a tree: host files and directories placed at targets, without what .dockerignore leaves out. Read
// lazily, so that a COPY of one file costs one lstat. Owners read as 0:0 (BuildKit does the same).
#include <memory>
#include <string>
#include <vector>

#include "build/graph.h"
#include "build/tree.h"

namespace dlc::dockerfile {
class IgnoreMatcher;
}

namespace dlc::build {

class ContextTree : public Tree {
 public:
  /// Throws Error(not_found) where a source does not exist.
  explicit ContextTree(const LocalOp& op);
  ~ContextTree() override;
  [[nodiscard]] std::optional<Node> lstat(const std::string& path) const override;
  [[nodiscard]] std::vector<std::string> list(const std::string& path) const override;
  [[nodiscard]] UniqueFd open(const std::string& path) const override;
  [[nodiscard]] std::string read_link(const std::string& path) const override;
  [[nodiscard]] std::map<std::string, std::string> xattrs(const std::string& path) const override;
  /// Whether the path exists but .dockerignore leaves it out (for a better message).
  [[nodiscard]] bool is_ignored(const std::string& path) const;
  /// The host directory that the whole context is, where it is one and nothing is left out; else "".
  [[nodiscard]] std::string plain_directory() const;

 private:
  struct Place;
  [[nodiscard]] const Place* place_of(const std::string& path, std::string& rest) const;
  [[nodiscard]] std::optional<Node> raw(const std::string& path) const;
  [[nodiscard]] bool visible(const std::string& path, const Node& node) const;
  [[nodiscard]] std::vector<std::string> raw_list(const std::string& path) const;

  std::vector<Place> places_;
  std::vector<std::string> virtual_directories_;  // ancestors of targets, sorted
  std::unique_ptr<dockerfile::IgnoreMatcher> ignore_;
};

}  // namespace dlc::build
