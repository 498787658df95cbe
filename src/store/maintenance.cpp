#include "store/maintenance.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "store/database.h"
#include "store/file_clock.h"
#include "store/host.h"
#include "store/layer_index.h"
#include "store/layer_table.h"
#include "store/lease.h"
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

constexpr std::int64_t kNano = 1'000'000'000;

/// As far as they go: rows may have any time, and --keep any length.
std::int64_t in_nanoseconds(std::int64_t seconds) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max() / kNano;
  return std::clamp(seconds, -kMost, kMost) * kNano;
}

std::int64_t changed_at(const struct stat& status) {
  return status.st_ctim.tv_sec * kNano + status.st_ctim.tv_nsec;
}

bool is_young(const std::filesystem::path& file, std::int64_t since) {
  struct stat status{};
  return ::lstat(file.c_str(), &status) == 0 && changed_at(status) >= since;
}

}  // namespace

Maintenance::Maintenance(const Parts& parts)
    : store_(parts.directory),
      blobs_(parts.blobs),
      layers_(parts.layers),
      records_(parts.records),
      database_(parts.database),
      run_(parts.run),
      lease_(parts.lease) {}

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
  reach_referrers(manifest, image, reachable, findings);
  if (!blobs_.size(manifest)) {
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
        if (blobs_.size(child.digest) || findings == nullptr) {  // other platforms need not be here
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
      const bool blob_here = i < parsed->layers.size() && blobs_.size(parsed->layers[i].digest).has_value();
      const auto layer = layers_.find(chain);
      if (!blob_here && !(layer && layer->unpacked)) {
        report("its layer " + config.diff_ids[i].str() + " is missing");
      }
    }
  } catch (const Error& error) {
    report(error.what());
  }
}

void Maintenance::reach_referrers(const Digest& subject, const std::string& image, Reachable& reachable,
                                  std::vector<CheckFinding>* findings) {
  for (const auto& digest : records_.referrers(subject)) {
    if (!reachable.blobs.insert(digest).second) {
      continue;
    }
    std::string problem;
    try {
      const auto manifest = oci::parse_manifest(blobs_.read(digest));
      reachable.blobs.insert(manifest.config.digest);
      for (const auto& layer : manifest.layers) {
        reachable.blobs.insert(layer.digest);
        if (!blobs_.size(layer.digest)) {
          problem = "its blob " + layer.digest.str() + " is missing";
        }
      }
    } catch (const Error& error) {
      problem = error.what();
    }
    if (findings != nullptr && !problem.empty()) {
      findings->push_back({"image " + image, "what belongs to it, " + digest.str() + ", is damaged: " + problem});
    }
    reach_referrers(digest, image, reachable, findings);
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

std::vector<Digest> Maintenance::subjects() {
  std::vector<Digest> all;
  database_.query("SELECT DISTINCT subject FROM referrers", {}, [&](const auto& row) { all.push_back(row.digest(0)); });
  return all;
}

Maintenance::Reachable Maintenance::reach(const Young& young) {
  Reachable images;
  for (const auto& image : records_.images()) {
    reach_manifest(image.manifest, image.name, images, nullptr);
  }
  std::vector<Digest> pinned;
  for (const auto& run : young.runs) {
    database_.query("SELECT manifest FROM pins WHERE run=?", {run},
                    [&](const auto& row) { pinned.push_back(row.digest(0)); });
  }
  for (const auto& manifest : pinned) {
    reach_manifest(manifest, "", images, nullptr);
  }
  for (const auto& subject : subjects()) {  // a manifest that is kept for its age keeps what belongs to it
    if (!images.blobs.contains(subject) && is_young(blobs_.path_of(subject), young.files)) {
      images.blobs.insert(subject);
      reach_referrers(subject, "", images, nullptr);
    }
  }
  Reachable all;
  all.blobs = images.blobs;
  all.diffs = images.diffs;
  for (const auto& chain : images.chains) {
    reach_chain(chain, all);
  }
  std::vector<Digest> results;
  database_.query("SELECT DISTINCT result FROM steps WHERE used>=?", {young.rows},
                  [&](const auto& row) { results.push_back(row.digest(0)); });
  database_.query("SELECT chain_id FROM layers WHERE created>=?", {young.rows},
                  [&](const auto& row) { results.push_back(row.digest(0)); });
  for (const auto& result : results) {
    reach_chain(result, all);
  }
  return all;
}

Maintenance::Young Maintenance::young_since(std::int64_t keep_seconds, bool dry_run) {
  const std::int64_t now = std::time(nullptr);
  Young young{.rows = now - keep_seconds, .files = in_nanoseconds(now - keep_seconds), .runs = {}};
  if (keep_seconds == 0) {
    // Nothing is too young, whatever the clocks say of each other. But a run that begins after this transaction takes
    // what is left of the rows, and files that have a time as young as its own: the clock of files tells the order.
    constexpr auto kEver = std::numeric_limits<std::int64_t>::max();
    young.rows = kEver;
    young.files = dry_run ? kEver : file_clock();
  }
  for (auto& live : live_runs(store_, database_, lease_.run(), !dry_run)) {
    young.rows = std::min(young.rows, live.since);
    young.files = std::min(young.files, in_nanoseconds(live.since));
    young.runs.push_back(std::move(live.run));
  }
  return young;
}

void Maintenance::sweep_rows(const Reachable& reachable, const Young& young) {
  std::vector<Digest> gone;
  database_.query("SELECT chain_id FROM layers", {}, [&](const auto& row) {
    if (!reachable.chains.contains(row.digest(0))) {
      gone.push_back(row.digest(0));
    }
  });
  database_.run("DELETE FROM steps WHERE used<?", {young.rows});
  for (const auto& chain : gone) {
    database_.run("DELETE FROM layers WHERE chain_id=?", {chain});
  }
  database_.run("DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)");
  for (const auto& subject : subjects()) {
    if (!reachable.blobs.contains(subject)) {
      database_.run("DELETE FROM referrers WHERE subject=?", {subject});
    }
  }
  database_.run("DELETE FROM last_steps WHERE key NOT IN (SELECT key FROM steps)");
  database_.run("DELETE FROM file_digests WHERE seen<?", {std::time(nullptr) - kKeepFileDigestsSeconds});
}

bool Maintenance::remove(const std::filesystem::path& file, const Young& young) {
  struct stat status{};
  std::optional<TemporaryDirectory> grave;
  const UniqueFd lock = lock_sweep(store_, Sweep::removing);
  if (::lstat(file.c_str(), &status) != 0 || changed_at(status) >= young.files) {
    return false;
  }
  if (!S_ISDIR(status.st_mode)) {
    return ::unlink(file.c_str()) == 0;
  }
  // Out of sight in one step, so that a crash leaves it whole or gone; the rest needs no lock.
  grave.emplace(TemporaryDirectory::adopt(run_.make_directory("gc-")));
  if (::rename(file.c_str(), (grave->path() / "snapshot").c_str()) != 0) {
    throw system_error("rename " + file.string());
  }
  return true;
}

void Maintenance::sweep_files(const Reachable& reachable, const Young& young, bool dry_run, GcResult& result) {
  const auto is_old = [&](const std::filesystem::path& file) {
    struct stat status{};
    return ::lstat(file.c_str(), &status) == 0 && changed_at(status) < young.files;
  };
  std::vector<std::pair<Digest, std::uint64_t>> blobs;
  blobs_.for_each([&](const Digest& digest, std::uint64_t size) {
    if (!reachable.blobs.contains(digest) && is_old(blobs_.path_of(digest))) {
      blobs.emplace_back(digest, size);
    }
  });
  for (const auto& [digest, size] : blobs) {
    if (dry_run || remove(blobs_.path_of(digest), young)) {
      result.bytes += size;
      ++result.blobs;
    }
  }
  const auto sweep = [&](const char* folder, const std::unordered_set<Digest>& wanted) {
    std::uint64_t count = 0;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(store_ / folder)) {
      const auto name = Digest::from_hex(entry.path().filename().string());
      if ((!name || !wanted.contains(*name)) && is_old(entry.path())) {
        files.push_back(entry.path());
      }
    }
    for (const auto& file : files) {
      const auto bytes = disk_usage(file);
      if (dry_run || remove(file, young)) {
        result.bytes += bytes;
        ++count;
      }
    }
    return count;
  };
  result.snapshots += sweep("snapshots", reachable.chains);
  static_cast<void>(sweep("index", reachable.diffs));
}

/// Files of processes that were killed; a lock that somebody holds stays.
void Maintenance::sweep_step_locks() {
  for (const auto& entry : std::filesystem::directory_iterator(store_ / "locks" / "steps")) {
    const UniqueFd fd(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      ::unlink(entry.path().c_str());  // a waiter sees that the file lost its name, and tries again
    }
  }
}

GcResult Maintenance::gc(std::int64_t keep_seconds, bool dry_run) {
  GcResult result;
  if (dry_run) {
    const auto young = young_since(keep_seconds, true);
    sweep_files(reach(young), young, true, result);
    return result;
  }
  const UniqueFd turn = open_file((store_ / "locks" / "gc.lock").string(), O_RDWR | O_CREAT, 0600);
  while (::flock(turn.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      throw system_error("lock " + store_.string());
    }
  }
  wait_past(file_clock());  // what was written before is older than the time asked for below
  Reachable reachable;
  Young young;
  // One transaction: a run that found a row before it has marked it, one that looks after it finds none. Rows first:
  // after a crash in between, files without a row are left over, never rows without their files.
  database_.transaction([&] {
    young = young_since(keep_seconds, false);
    reachable = reach(young);
    sweep_rows(reachable, young);
  });
  sweep_files(reachable, young, false, result);
  sweep_step_locks();
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
