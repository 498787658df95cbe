#include "store/maintenance.h"

#include <fts.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <limits>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "store/database.h"
#include "store/layer_index.h"
#include "store/layer_table.h"
#include "store/recovery.h"

namespace dlc::store {

namespace {

constexpr int kDeepestIndex = 4;
constexpr std::int64_t kKeepFileDigestsSeconds = 90LL * 24 * 3600;

// Bytes on the disk of a tree; hard links count once.
std::uint64_t disk_usage(const std::filesystem::path& path) {
  std::string root = path.string();
  char* const roots[] = {root.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr),
                                                 ::fts_close);
  std::uint64_t bytes = 0;
  std::unordered_set<ino_t> linked;
  while (const FTSENT* entry = walk ? ::fts_read(walk.get()) : nullptr) {
    if (entry->fts_info == FTS_DP || entry->fts_statp == nullptr || entry->fts_info == FTS_NS) {
      continue;
    }
    const auto& status = *entry->fts_statp;
    if (S_ISDIR(status.st_mode) || status.st_nlink < 2 || linked.insert(status.st_ino).second) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
  }
  return bytes;
}

std::int64_t changed_at(const std::filesystem::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_ctim.tv_sec : 0;
}

// Moves a directory out of sight in one step, so that a crash leaves it whole or gone.
void remove_snapshot(const std::filesystem::path& path, const std::filesystem::path& tmp) {
  TemporaryDirectory grave(tmp, "gc-");
  const auto target = grave.path() / "snapshot";
  if (::rename(path.c_str(), target.c_str()) != 0) {
    throw system_error("rename " + path.string());
  }
}

}  // namespace

Maintenance::Maintenance(std::filesystem::path store, BlobStore& blobs, Layers& layers, Records& records,
                         Database& database)
    : store_(std::move(store)), blobs_(blobs), layers_(layers), records_(records), database_(database) {}

std::vector<CheckFinding> Maintenance::check(bool contents) {
  std::vector<CheckFinding> findings;
  const std::string damage = database_.integrity();
  if (!damage.empty()) {
    findings.push_back({"db.sqlite", damage});
  }
  check_blobs(contents, findings);
  check_images(findings);
  check_layers(findings);
  return findings;
}

void Maintenance::check_blobs(bool contents, std::vector<CheckFinding>& findings) {
  if (!contents) {
    return;
  }
  std::vector<Digest> all;
  blobs_.for_each([&](const Digest& digest, std::uint64_t) { all.push_back(digest); });
  for (const auto& digest : all) {
    try {
      if (!blob_is_whole(blobs_, digest)) {
        findings.push_back({"blob " + digest.str(), "its content has another digest"});
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found) {  // swept meanwhile
        findings.push_back({"blob " + digest.str(), error.what()});
      }
    }
  }
}

void Maintenance::check_images(std::vector<CheckFinding>& findings) {
  Reachable reachable;
  for (const auto& image : records_.images()) {
    reach_manifest(image.manifest, image.name, reachable, &findings);
  }
}

void Maintenance::check_layers(std::vector<CheckFinding>& findings) {
  struct Row {
    Digest chain, parent, diff;
    bool unpacked;
  };
  std::vector<Row> rows;
  database_.query("SELECT chain_id, parent, diff_id, unpacked FROM layers", {}, [&](const auto& row) {
    rows.push_back({row.digest(0), row.digest(1), row.digest(2), row.integer(3) != 0});
  });
  std::unordered_set<Digest> known;
  for (const auto& row : rows) {
    known.insert(row.chain);
  }
  for (const auto& row : rows) {
    const std::string name = "layer " + row.chain.str();
    if (!row.parent.is_zero() && !known.contains(row.parent)) {
      findings.push_back({name, "its parent " + row.parent.str() + " is not recorded"});
    }
    if (row.unpacked && !std::filesystem::is_directory(store_ / "snapshots" / row.chain.hex() / "fs")) {
      findings.push_back({name, "its snapshot is missing"});
    }
    const auto index = store_ / "index" / row.diff.hex();
    if (std::filesystem::exists(index)) {
      try {
        (void)read_index(index);
      } catch (const Error& error) {
        findings.push_back({name, error.what()});
      }
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(store_ / "snapshots")) {
    const auto chain = Digest::from_hex(entry.path().filename().string());
    if (chain && known.contains(*chain)) {
      continue;
    }
    // One that is whole was placed, and then its row could not be written: the step that makes it again finds it there.
    const auto layer = read_layer_file(entry.path() / "layer.json");
    if (!chain || !layer || layer->chain_id != *chain || !std::filesystem::is_directory(entry.path() / "fs")) {
      findings.push_back({"snapshots/" + entry.path().filename().string(), "belongs to no recorded layer"});
    }
  }
}

void Maintenance::reach_manifest(const Digest& manifest, const std::string& image, Reachable& reachable,
                                 std::vector<CheckFinding>* findings, int depth) {
  const auto report = [&](const std::string& problem) {
    if (findings != nullptr) {
      findings->push_back({"image " + image, problem});
    }
  };
  if (depth > kDeepestIndex) {
    report("its indexes nest too deeply");
    return;
  }
  reachable.blobs.insert(manifest);
  if (!blobs_.contains(manifest)) {
    report("its manifest " + manifest.str() + " is missing");
    return;
  }
  try {
    const std::string text = blobs_.read(manifest);
    std::optional<oci::Manifest> parsed;
    try {
      parsed = oci::parse_manifest(text);
    } catch (const Error&) {  // an index, or damaged: the next parser tells
    }
    if (!parsed) {
      for (const auto& child : oci::parse_index(text).manifests) {
        if (blobs_.contains(child.digest) || findings == nullptr) {  // other platforms need not be here
          reach_manifest(child.digest, image, reachable, findings, depth + 1);
        }
      }
      return;
    }
    reachable.blobs.insert(parsed->config.digest);
    for (const auto& layer : parsed->layers) {
      reachable.blobs.insert(layer.digest);
    }
    Digest chain;
    const auto config = oci::parse_config(blobs_.read(parsed->config.digest));
    for (std::size_t i = 0; i < config.diff_ids.size(); ++i) {
      chain = oci::chain_id(chain, config.diff_ids[i]);
      reachable.chains.insert(chain);
      reachable.diffs.insert(config.diff_ids[i]);
      const bool blob_here = i < parsed->layers.size() && blobs_.contains(parsed->layers[i].digest);
      const auto layer = layers_.find(chain);
      if (!blob_here && !(layer && layer->unpacked)) {
        report("its layer " + config.diff_ids[i].str() + " is missing");
      }
    }
  } catch (const Error& error) {
    report(error.what());
  }
}

void Maintenance::reach_chain(const Digest& chain, Reachable& reachable) {
  for (Digest at = chain; !at.is_zero();) {
    if (!reachable.chains.insert(at).second) {
      return;
    }
    const auto layer = layers_.find(at);
    if (!layer) {
      reachable.blobs.insert(at);  // the result of a source step: a blob, not a layer
      return;
    }
    reachable.diffs.insert(layer->diff_id);
    database_.query("SELECT blob FROM layer_blobs WHERE diff_id=?", {layer->diff_id},
                    [&](const auto& row) { reachable.blobs.insert(row.digest(0)); });
    at = layer->parent;
  }
}

Maintenance::Reachable Maintenance::reach(std::int64_t young_since) {
  Reachable images;
  for (const auto& image : records_.images()) {
    reach_manifest(image.manifest, image.name, images, nullptr);
  }
  Reachable all;
  all.blobs = images.blobs;
  all.diffs = images.diffs;
  for (const auto& chain : images.chains) {
    reach_chain(chain, all);
  }
  std::vector<Digest> results;
  database_.query("SELECT DISTINCT result FROM steps WHERE used>=?", {young_since},
                  [&](const auto& row) { results.push_back(row.digest(0)); });
  database_.query("SELECT chain_id FROM layers WHERE created>=?", {young_since},
                  [&](const auto& row) { results.push_back(row.digest(0)); });
  for (const auto& result : results) {
    reach_chain(result, all);
  }
  return all;
}

void Maintenance::sweep_files(const Reachable& reachable, std::int64_t young_since, bool dry_run, GcResult& result) {
  std::vector<Digest> blobs;
  blobs_.for_each([&](const Digest& digest, std::uint64_t size) {
    if (!reachable.blobs.contains(digest) && changed_at(blobs_.path_of(digest)) < young_since) {
      blobs.push_back(digest);
      result.bytes += size;
      ++result.blobs;
    }
  });
  std::vector<std::filesystem::path> snapshots;
  for (const auto& entry : std::filesystem::directory_iterator(store_ / "snapshots")) {
    const auto chain = Digest::from_hex(entry.path().filename().string());
    if (!chain || !reachable.chains.contains(*chain)) {
      snapshots.push_back(entry.path());
      result.bytes += disk_usage(entry.path());
      ++result.snapshots;
    }
  }
  std::vector<std::filesystem::path> indexes;
  for (const auto& entry : std::filesystem::directory_iterator(store_ / "index")) {
    const auto diff = Digest::from_hex(entry.path().filename().string());
    if (!diff || !reachable.diffs.contains(*diff)) {
      indexes.push_back(entry.path());
      result.bytes += disk_usage(entry.path());
    }
  }
  if (dry_run) {
    return;
  }
  for (const auto& digest : blobs) {
    blobs_.remove(digest);
  }
  for (const auto& snapshot : snapshots) {
    remove_snapshot(snapshot, store_ / "tmp");
  }
  for (const auto& index : indexes) {
    remove_tree(index);
  }
  for (const auto& entry : std::filesystem::directory_iterator(store_ / "locks" / "steps")) {
    remove_tree(entry.path());  // left by processes that were killed
  }
}

void Maintenance::sweep_rows(std::int64_t young_since) {
  const auto reachable = reach(young_since);
  std::vector<Digest> gone;
  database_.query("SELECT chain_id FROM layers", {}, [&](const auto& row) {
    if (!reachable.chains.contains(row.digest(0))) {
      gone.push_back(row.digest(0));
    }
  });
  database_.transaction([&] {
    database_.run("DELETE FROM steps WHERE used<?", {young_since});
    for (const auto& chain : gone) {
      database_.run("DELETE FROM layers WHERE chain_id=?", {chain});
    }
    database_.run("DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)");
    database_.run("DELETE FROM last_steps WHERE key NOT IN (SELECT key FROM steps)");
    database_.run("DELETE FROM file_digests WHERE seen<?", {std::time(nullptr) - kKeepFileDigestsSeconds});
  });
}

GcResult Maintenance::gc(std::int64_t keep_seconds, bool dry_run) {
  // Nothing is too young for 0 seconds, whatever the clocks of the file system and of this process say of each other.
  const std::int64_t young_since =
      keep_seconds == 0 ? std::numeric_limits<std::int64_t>::max() : std::time(nullptr) - keep_seconds;
  const auto reachable = reach(young_since);
  GcResult result;
  // Rows first: after a crash in between, files without a row are left over, never rows without their files.
  if (!dry_run) {
    sweep_rows(young_since);
  }
  sweep_files(reachable, young_since, dry_run, result);
  return result;
}

Usage Maintenance::usage() {
  Usage usage;
  blobs_.for_each([&](const Digest&, std::uint64_t size) { usage.blobs += size; });
  usage.snapshots = disk_usage(store_ / "snapshots");
  usage.indexes = disk_usage(store_ / "index");
  for (const char* name : {"db.sqlite", "db.sqlite-wal", "db.sqlite-shm"}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(store_ / name, missing);
    usage.database += missing ? 0 : size;
  }
  usage.reclaimable = gc(0, true).bytes;
  return usage;
}

}  // namespace dlc::store
