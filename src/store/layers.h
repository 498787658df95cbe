#pragma once
// Layers: the tar blob of a step's changes, its index, and its unpacked form, the snapshot: a directory in overlayfs's
// upper form or with marks as files (snapshot_mode.h). A snapshot is named by its layer's chain id, because how a
// layer unpacks depends on what lies below. docs/engine.md, "Snapshots and layers". Thread-safe.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "codec/compression.h"
#include "codec/digest.h"
#include "oci/image.h"
#include "store/blobs.h"
#include "store/snapshot_mode.h"

namespace dlc::store {

class Database;
class Lease;
class RunDirectory;

struct Layer {
  Digest chain_id;
  Digest parent;   ///< chain id of the layer below; zero for the lowest
  Digest diff_id;  ///< of the uncompressed tar
  Digest blob;     ///< of the compressed tar; zero while only the snapshot is here
  std::uint64_t blob_size = 0;
  std::uint64_t size = 0;  ///< bytes of the uncompressed tar
  std::string media_type;
  bool unpacked = false;  ///< the snapshot is here
};

/// An upper directory in the making, below the store's tmp/. Removed by the destructor unless committed.
class WorkingSnapshot {
 public:
  /// `directory` holds "fs" and "work".
  explicit WorkingSnapshot(std::filesystem::path directory);
  WorkingSnapshot(WorkingSnapshot&&) noexcept;
  WorkingSnapshot& operator=(WorkingSnapshot&&) = delete;
  ~WorkingSnapshot();
  [[nodiscard]] std::filesystem::path upper() const;  ///< overlayfs upperdir; mode, owner of "/" set from the parent
  [[nodiscard]] std::filesystem::path work() const;   ///< overlayfs workdir, empty
  /// Gives the directory up; empty where it was moved from.
  std::filesystem::path release() noexcept;

 private:
  std::filesystem::path directory_;
};

struct CommitOptions {
  std::optional<std::int64_t> epoch;  ///< later times of changed files become this, in the layer and in the snapshot
  codec::CompressionOptions compression;
  bool pack = true;       ///< false: only the snapshot is kept; `recompress` makes the blob when one is asked for
  bool ancestors = true;  ///< an entry for each ancestor of a changed path (not for COPY --link)
  std::stop_token stop;   ///< a request is Error(cancelled), and nothing is kept
};

/// What a layer holds, one line of its index; see docs/formats/layer-index.md.
struct IndexEntry {
  std::string path;  ///< relative, no leading slash; whiteouts as in the tar (".wh.name", ".wh..wh..opq")
  char type = 'f';   ///< f file, h hard link, l symlink, d directory, c, b, p
  std::uint32_t mode = 0;
  std::uint64_t uid = 0, gid = 0, size = 0;
  std::string link;
  Digest content;            ///< of a file's bytes
  std::int64_t mtime = 0;    ///< seconds
  std::uint64_t offset = 0;  ///< of a file's bytes in the uncompressed tar
  std::uint32_t major = 0, minor = 0;
  std::map<std::string, std::string> xattrs;
  std::string kept;  ///< the content itself, of the few small files that decide names (etc/passwd, etc/group)
};

class Layers {
 public:
  /// All arguments outlive this.
  Layers(std::filesystem::path root, BlobStore& blobs, Database& database, RunDirectory& run, const Lease& lease,
         SnapshotMode mode);
  ~Layers();
  [[nodiscard]] SnapshotMode mode() const noexcept;

  [[nodiscard]] std::optional<Layer> find(const Digest& chain_id) const;
  /// The snapshot directories of a chain, topmost first, as overlayfs wants its lowerdirs. Error(not_found) where one
  /// is not unpacked. Zero gives an empty list.
  [[nodiscard]] std::vector<std::filesystem::path> lowers(const Digest& chain_id) const;
  /// The layers of a chain, lowest first.
  [[nodiscard]] std::vector<Layer> chain(const Digest& chain_id) const;

  /// A new upper over `parent` (zero: none).
  [[nodiscard]] WorkingSnapshot begin(const Digest& parent);
  /// Makes the layer from the changes in one streaming pass (read, tar, hash, compress, hash, index), moves the upper
  /// to snapshots/ and records both. Where the same chain id exists already that one is kept and returned. The tar is a
  /// pure function of the changes (sorted, numeric owners, marks only where the parent has the path).
  [[nodiscard]] Layer commit(WorkingSnapshot&& snapshot, const Digest& parent, const CommitOptions& options,
                             Activity* activity = nullptr);
  /// Records a layer known by descriptor and diff id without unpacking it. The blob may still be missing.
  [[nodiscard]] Layer adopt(const Digest& parent, const Digest& diff_id, const oci::Descriptor& descriptor);
  /// Unpacks an adopted layer whose blob is here; its parent must be unpacked. Checks the diff id; Error(corrupt) and
  /// nothing kept otherwise. No entry, however hostile, is written outside the snapshot.
  Layer unpack(const Digest& chain_id, const std::stop_token& stop = {}, Activity* activity = nullptr);
  /// Adopts and unpacks a tar stream as a layer (a base root file system, an `ADD` archive image).
  [[nodiscard]] Layer import_tar(const Digest& parent, codec::Source& tar, const CommitOptions& options);
  /// Another compression of an existing layer, or the first one of a layer that has only its snapshot; the blob is made
  /// once and recorded. Returns the layer with that blob. Error(corrupt) where what is here is not the layer's tar.
  [[nodiscard]] Layer recompress(const Digest& chain_id, const codec::CompressionOptions& options);

  /// In the order of the tar. Read from index/, or made from the blob where it is missing there.
  [[nodiscard]] std::vector<IndexEntry> index(const Digest& diff_id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dlc::store
