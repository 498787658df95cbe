#pragma once
// The file system of an image as its layers' indexes tell it, without unpacking or mounting anything; and what later
// layers take away from or put over earlier ones. Content is read through a `LayerFiles`.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/layers.h"

namespace dlc::contents {

/// Where files' bytes come from.
class LayerFiles {
 public:
  virtual ~LayerFiles() = default;
  /// Up to `limit` bytes from `offset` on of a file that layer `layer` (from 0, lowest first) holds. Error where it
  /// cannot be read. Called from several threads.
  [[nodiscard]] virtual std::string read(std::size_t layer, const std::string& path, std::uint64_t offset,
                                         std::uint64_t limit) const = 0;
};

/// Files of unpacked layers: `directories` are their snapshots, lowest first. No link is followed.
[[nodiscard]] std::unique_ptr<LayerFiles> snapshot_files(const std::vector<std::string>& directories);

struct Node {
  store::IndexEntry entry;  ///< a hard link's has the metadata of the file it names, type 'f', and its `link`
  std::size_t layer = 0;    ///< from 0, lowest first
};

/// A file that a layer brought and a later one removed or replaced: its bytes are shipped for nothing.
struct LostFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::size_t layer = 0;    ///< that brought it
  std::size_t lost_in = 0;  ///< the layer that took it away
  bool replaced = false;    ///< another file is at the path now
};

/// Immutable after construction; reading is thread-safe. Paths are relative ("usr/bin/env"), "" is the root. A
/// directory that no layer has an entry for, but something below it, has a node too, with mode 0755 of root, as
/// unpacking makes it.
class ImageTree {
 public:
  using Nodes = std::map<std::string, Node, std::less<>>;

  /// `files` outlives this.
  ImageTree(const std::vector<std::vector<store::IndexEntry>>& layers, const LayerFiles& files);

  [[nodiscard]] const Nodes& nodes() const noexcept { return nodes_; }
  [[nodiscard]] const std::vector<LostFile>& lost() const noexcept { return lost_; }
  /// No link is followed, not even in a directory above.
  [[nodiscard]] const Node* find(std::string_view path) const;
  /// The path with all links followed as in a process of the image; nullopt where nothing is there or links go round.
  [[nodiscard]] std::optional<std::string> resolve(std::string_view path) const;
  /// A file's node after following links; nullptr for anything but a file.
  [[nodiscard]] const Node* file(std::string_view path) const;
  /// Full paths of a directory's entries, sorted; empty where it is none. No link is followed.
  [[nodiscard]] std::vector<std::string> list(std::string_view directory) const;
  /// Bytes of a file; links are followed. nullopt where there is none.
  [[nodiscard]] std::optional<std::string> read(std::string_view path, std::uint64_t limit = 64U << 20) const;
  [[nodiscard]] std::string read(const Node& node, std::uint64_t offset, std::uint64_t limit) const;

 private:
  void apply(const std::vector<store::IndexEntry>& entries, std::size_t layer);
  void remove(const std::string& path, std::size_t layer, bool children_only);
  void put(store::IndexEntry entry, std::size_t layer);
  void add_parents(std::string_view path, std::size_t layer);

  Nodes nodes_;
  std::vector<LostFile> lost_;
  const LayerFiles& files_;
};

/// "/a//b/./c/../d" -> "a/b/d"; ".." stops at the root.
[[nodiscard]] std::string clean_path(std::string_view path);
/// "a/b" -> "a"; "a" -> "".
[[nodiscard]] std::string_view directory_of(std::string_view path);
/// "a/b" -> "b".
[[nodiscard]] std::string_view base_name(std::string_view path);

}  // namespace dlc::contents
