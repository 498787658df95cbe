#include "store/layers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "codec/sinks.h"
#include "codec/tar.h"
#include "store/changes.h"
#include "store/database.h"
#include "store/extractor.h"
#include "store/filters.h"
#include "store/host.h"
#include "store/layer_index.h"
#include "store/layer_table.h"
#include "store/layer_writer.h"
#include "store/lease.h"
#include "store/read_ahead.h"

namespace dlc::store {

namespace {

std::string_view media_type_of(codec::Compression kind) {
  switch (kind) {
    case codec::Compression::none:
      return oci::kLayerType;
    case codec::Compression::zstd:
      return oci::kLayerZstdType;
    case codec::Compression::gzip:
      break;
  }
  return oci::kLayerGzipType;
}

void set_blob(Layer& layer, const LayerBlob& blob) {
  layer.blob = blob.digest;
  layer.blob_size = blob.size;
  layer.media_type = blob.media_type;
}

UniqueFd open_directory(const std::filesystem::path& path) {
  return open_file(path.string(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

}  // namespace

WorkingSnapshot::WorkingSnapshot(std::filesystem::path directory) : directory_(std::move(directory)) {}

WorkingSnapshot::WorkingSnapshot(WorkingSnapshot&& other) noexcept
    : directory_(std::exchange(other.directory_, std::filesystem::path())) {}

WorkingSnapshot::~WorkingSnapshot() {
  if (!directory_.empty()) {
    try {
      remove_tree(directory_);
    } catch (const std::exception&) {  // the run's directory goes with the run
    }
  }
}

std::filesystem::path WorkingSnapshot::upper() const {
  return directory_ / "fs";
}
std::filesystem::path WorkingSnapshot::work() const {
  return directory_ / "work";
}
std::filesystem::path WorkingSnapshot::release() noexcept {
  return std::exchange(directory_, std::filesystem::path());
}

struct Layers::State {
  std::filesystem::path root;
  BlobStore& blobs;
  Database& database;
  RunDirectory& run;
  const Lease& lease;
  SnapshotMode mode;
  LayerTable table;

  State(std::filesystem::path directory, BlobStore& blob_store, Database& db, RunDirectory& run_directory,
        const Lease& our_lease, SnapshotMode snapshot_mode)
      : root(std::move(directory)),
        blobs(blob_store),
        database(db),
        run(run_directory),
        lease(our_lease),
        mode(snapshot_mode),
        table(db, blob_store) {}

  [[nodiscard]] std::filesystem::path snapshot_path(const Digest& chain) const {
    return root / "snapshots" / chain.hex();
  }
  [[nodiscard]] std::filesystem::path index_path(const Digest& diff) const { return root / "index" / diff.hex(); }

  [[nodiscard]] std::vector<std::filesystem::path> lowers(const Digest& chain) {
    std::vector<std::filesystem::path> result;
    for (const auto& layer : table.chain(chain)) {
      if (!layer.unpacked) {
        throw Error(ErrorKind::not_found, "layer " + layer.chain_id.str() + " is not unpacked");
      }
      result.push_back(snapshot_path(layer.chain_id) / "fs");
    }
    std::reverse(result.begin(), result.end());
    return result;
  }

  WorkingSnapshot begin(const Digest& parent) {
    const auto below = lowers(parent);
    WorkingSnapshot snapshot(run.make_directory("snapshot-"));
    for (const auto& directory : {snapshot.upper(), snapshot.work()}) {
      if (::mkdir(directory.c_str(), 0755) != 0) {
        throw system_error("create " + directory.string());
      }
    }
    const UniqueFd upper = open_directory(snapshot.upper());
    struct stat status{};
    status.st_mode = S_IFDIR | 0755;
    Xattrs xattrs;
    if (!below.empty()) {
      const UniqueFd above = open_directory(below.front());
      status = *stat_at(above.get(), "");
      xattrs = xattrs_at(above.get(), "");
    }
    set_metadata_at(upper.get(), "", status, xattrs);
    set_mtime_at(upper.get(), "", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    return snapshot;
  }

  // Moves a finished directory to its name. Where one is there already it is whole, and equal.
  void place_snapshot(WorkingSnapshot& snapshot, const Layer& layer) {
    const auto directory = snapshot.upper().parent_path();
    remove_tree(snapshot.work());
    write_layer_file(directory / "layer.json", layer);
    const auto target = snapshot_path(layer.chain_id);
    do {
      if (::rename(directory.c_str(), target.c_str()) == 0) {
        (void)snapshot.release();
        return;
      }
      if (errno != EEXIST && errno != ENOTEMPTY) {
        throw system_error("rename " + directory.string() + " to " + target.string());
      }
    } while (!keep_file(root, target, lease.files_since()));  // gc took the old one away
  }

  [[nodiscard]] OtherNames other_names(const Digest& parent) {
    return [this, parent](std::size_t lower, const std::string& path) {
      auto layers = table.chain(parent);
      std::reverse(layers.begin(), layers.end());
      const auto entries = index(layers.at(lower).diff_id);
      const auto group_of = [](const IndexEntry& entry) { return entry.type == 'h' ? entry.link : entry.path; };
      std::string group;
      for (const auto& entry : entries) {
        if (entry.path == path) {
          group = group_of(entry);
        }
      }
      std::vector<std::string> names;
      for (const auto& entry : entries) {
        if (!group.empty() && entry.path != path && group_of(entry) == group &&
            name_of(entry.path).substr(0, 4) != ".wh.") {
          names.push_back(entry.path);
        }
      }
      return names;
    };
  }

  // The layer has no entry for the root: whoever unpacks it leaves the parent's attributes, and so do we.
  static void restore_root(int upper, LowerView& lower) {
    if (const auto below = lower.find("")) {
      set_metadata_at(upper, "", below->status, xattrs_at(lower.root(below->lower), ""));
      set_mtime_at(upper, "", below->status.st_mtim.tv_sec, below->status.st_mtim.tv_nsec);
      return;
    }
    if (::fchown(upper, 0, 0) != 0 || ::fchmod(upper, 0755) != 0) {
      throw system_error("set the owner and mode of a snapshot's root");
    }
    set_mtime_at(upper, "", 0, 0);
  }

  Layer commit(WorkingSnapshot& snapshot, const Digest& parent, const CommitOptions& options, Activity* activity) {
    const UniqueFd upper = open_directory(snapshot.upper());
    LowerView lower(lowers(parent), mode);
    const auto changes = find_changes(upper.get(), lower, options.ancestors, other_names(parent));
    const auto writer = options.pack ? blobs.create() : nullptr;
    const auto packed = writer ? codec::compress(*writer, options.compression) : std::make_unique<codec::NullSink>();
    HashingSink hashed(*packed);
    codec::StoppableSink tar(hashed, options.stop);
    const auto entries = write_layer(upper.get(), changes, options.epoch, tar, activity);
    restore_root(upper.get(), lower);

    Layer layer;
    layer.parent = parent;
    layer.diff_id = hashed.digest();
    layer.chain_id = oci::chain_id(parent, layer.diff_id);
    layer.size = hashed.size();
    layer.unpacked = true;
    const auto known = table.find(layer.chain_id);
    const auto made = table.find_blob(layer.diff_id, codec::engine_name(options.compression));
    if (made) {  // made before by the same engine: the same bytes
      set_blob(layer, *made);
    } else if (writer) {
      const auto digest = writer->commit();
      set_blob(layer, {digest, writer->size(), std::string(media_type_of(options.compression.kind))});
    }
    write_index(index_path(layer.diff_id), run.path(), entries);
    if (!known || !known->unpacked || !keep_file(root, snapshot_path(layer.chain_id), lease.files_since())) {
      place_snapshot(snapshot, layer);
    }
    table.put(layer, codec::engine_name(options.compression));
    return layer;
  }

  Layer unpack(const Digest& chain, const std::stop_token& stop, Activity* activity) {
    const auto found = table.find(chain);
    if (!found) {
      throw Error(ErrorKind::not_found, "layer " + chain.str() + " is not known");
    }
    Layer layer = *found;
    if (layer.unpacked) {
      return layer;
    }
    try {
      WorkingSnapshot snapshot = begin(layer.parent);
      const auto entries = extract_blob(layer, snapshot, stop, activity);
      layer.unpacked = true;
      write_index(index_path(layer.diff_id), run.path(), entries);
      place_snapshot(snapshot, layer);
    } catch (Error& error) {
      error.context("unpack layer " + layer.diff_id.str());
      throw;
    }
    table.put(layer, {});
    return layer;
  }

  // Checks both digests after the last byte; the caller keeps nothing on an error.
  std::vector<IndexEntry> extract_blob(Layer& layer, const WorkingSnapshot& snapshot, const std::stop_token& stop,
                                       Activity* activity) {
    const UniqueFd blob = blobs.open(layer.blob);
    FileSource file(blob.get(), blobs.path_of(layer.blob).string());
    codec::StoppableSource bytes(file, stop);
    HashingSource packed(bytes);
    const auto decompressor = codec::decompress(packed);
    HashingSource plain(*decompressor);
    ReadAhead ahead(plain);
    codec::TarReader tar(ahead);
    const UniqueFd upper = open_directory(snapshot.upper());
    LowerView lower(lowers(layer.parent), mode);
    Extractor extractor(upper.get(), lower);
    std::uint64_t reported = 0;
    while (const auto entry = tar.next()) {
      extractor.apply(*entry, tar);
      if (activity != nullptr && packed.size() - reported >= (8U << 20)) {
        reported = packed.size();
        activity->progress(reported, layer.blob_size);
      }
    }
    auto entries = extractor.finish();
    drain(ahead);
    const Digest diff = plain.drain();
    const Digest blob_digest = packed.drain();
    if (blob_digest != layer.blob) {
      throw Error(ErrorKind::corrupt, "blob " + layer.blob.str() + " holds " + blob_digest.str());
    }
    if (diff != layer.diff_id) {
      throw Error(ErrorKind::corrupt,
                  "blob " + layer.blob.str() + " unpacks to " + diff.str() + ", expected " + layer.diff_id.str());
    }
    layer.size = plain.size();
    return entries;
  }

  Layer adopt(const Digest& parent, const Digest& diff_id, const oci::Descriptor& descriptor) {
    if (diff_id.is_zero() || descriptor.digest.is_zero()) {
      throw Error(ErrorKind::invalid, "a layer without a digest");
    }
    if (!parent.is_zero() && !table.find(parent)) {
      throw Error(ErrorKind::not_found, "layer " + parent.str() + " is not known");
    }
    const Digest chain = oci::chain_id(parent, diff_id);
    Layer layer;
    if (const auto known = table.find(chain)) {
      layer = *known;
    } else {
      layer.chain_id = chain;
      layer.parent = parent;
      layer.diff_id = diff_id;
    }
    layer.blob = descriptor.digest;
    layer.blob_size = descriptor.size;
    layer.media_type = descriptor.media_type;
    table.put(layer, "adopted " + descriptor.media_type);
    return layer;
  }

  // From the layer's blob, else from its snapshot. Returns which it was.
  std::string copy_tar(const Layer& layer, codec::Sink& out) {
    if (layer.unpacked && !blobs.contains(layer.blob)) {
      const UniqueFd snapshot = open_directory(snapshot_path(layer.chain_id) / "fs");
      rewrite_layer(snapshot.get(), index(layer.diff_id), out);
      return "the snapshot of layer " + layer.chain_id.str();
    }
    const UniqueFd blob = blobs.open(layer.blob);
    FileSource file(blob.get(), blobs.path_of(layer.blob).string());
    codec::copy(*codec::decompress(file), out);
    out.finish();
    return "blob " + layer.blob.str();
  }

  Layer recompress(const Digest& chain, const codec::CompressionOptions& options) {
    auto layer = table.find(chain);
    if (!layer) {
      throw Error(ErrorKind::not_found, "layer " + chain.str() + " is not known");
    }
    const std::string engine = codec::engine_name(options);
    if (const auto made = table.find_blob(layer->diff_id, engine)) {
      set_blob(*layer, *made);
      return *layer;
    }
    const auto writer = blobs.create();
    const auto compressor = codec::compress(*writer, options);
    HashingSink tar(*compressor);
    const auto source = copy_tar(*layer, tar);
    if (tar.digest() != layer->diff_id) {
      throw Error(ErrorKind::corrupt, source + " gives " + tar.digest().str() + ", expected " + layer->diff_id.str());
    }
    const auto digest = writer->commit();
    set_blob(*layer, {digest, writer->size(), std::string(media_type_of(options.kind))});
    table.put_blob(layer->diff_id, engine, {layer->blob, layer->blob_size, layer->media_type});
    return *layer;
  }

  std::vector<IndexEntry> index(const Digest& diff) {
    try {
      return read_index(index_path(diff));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) {
        throw;
      }
    }
    const auto made = table.any_blob(diff);
    if (!made) {
      throw Error(ErrorKind::not_found, "layer " + diff.str() + " is not in the store");
    }
    const UniqueFd blob = blobs.open(made->digest);
    FileSource file(blob.get(), blobs.path_of(made->digest).string());
    const auto decompressor = codec::decompress(file);
    HashingSource plain(*decompressor);
    codec::TarReader tar(plain);
    const auto entries = index_tar(tar);
    if (plain.drain() != diff) {
      throw Error(ErrorKind::corrupt, "blob " + made->digest.str() + " is not layer " + diff.str());
    }
    write_index(index_path(diff), run.path(), entries);
    return entries;
  }
};

Layers::Layers(std::filesystem::path root, BlobStore& blobs, Database& database, RunDirectory& run, const Lease& lease,
               SnapshotMode mode)
    : state_(std::make_unique<State>(std::move(root), blobs, database, run, lease, mode)) {}
Layers::~Layers() = default;

SnapshotMode Layers::mode() const noexcept {
  return state_->mode;
}

std::optional<Layer> Layers::find(const Digest& chain_id) const {
  return state_->table.find(chain_id);
}

std::vector<std::filesystem::path> Layers::lowers(const Digest& chain_id) const {
  return state_->lowers(chain_id);
}

std::vector<Layer> Layers::chain(const Digest& chain_id) const {
  return state_->table.chain(chain_id);
}

WorkingSnapshot Layers::begin(const Digest& parent) {
  return with_space_hint([&] { return state_->begin(parent); });
}

Layer Layers::commit(WorkingSnapshot&& snapshot, const Digest& parent, const CommitOptions& options,
                     Activity* activity) {
  WorkingSnapshot owned(std::move(snapshot));
  return with_space_hint([&] { return state_->commit(owned, parent, options, activity); });
}

Layer Layers::adopt(const Digest& parent, const Digest& diff_id, const oci::Descriptor& descriptor) {
  return with_space_hint([&] { return state_->adopt(parent, diff_id, descriptor); });
}

Layer Layers::unpack(const Digest& chain_id, const std::stop_token& stop, Activity* activity) {
  return with_space_hint([&] { return state_->unpack(chain_id, stop, activity); });
}

Layer Layers::import_tar(const Digest& parent, codec::Source& tar, const CommitOptions& options) {
  return with_space_hint([&] {
    WorkingSnapshot snapshot = state_->begin(parent);
    {
      codec::StoppableSource bytes(tar, options.stop);
      const auto plain = codec::decompress(bytes);
      codec::TarReader reader(*plain);
      const UniqueFd upper = open_directory(snapshot.upper());
      LowerView lower(state_->lowers(parent), state_->mode);
      Extractor extractor(upper.get(), lower);
      while (const auto entry = reader.next()) {
        extractor.apply(*entry, reader);
      }
      (void)extractor.finish();
    }
    return state_->commit(snapshot, parent, options, nullptr);
  });
}

Layer Layers::recompress(const Digest& chain_id, const codec::CompressionOptions& options) {
  return with_space_hint([&] { return state_->recompress(chain_id, options); });
}

std::vector<IndexEntry> Layers::index(const Digest& diff_id) const {
  return state_->index(diff_id);
}

}  // namespace dlc::store
