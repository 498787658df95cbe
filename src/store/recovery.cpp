#include "store/recovery.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "oci/artifact.h"
#include "store/filters.h"
#include "store/host.h"
#include "store/layer_table.h"
#include "store/tags.h"

namespace dlc::store {

namespace {

constexpr std::int64_t kClockSlackSeconds = 120;  // the clock may have been stepped since the last flush

std::string meta(Database& database, const char* key) {
  std::string value;
  database.query("SELECT value FROM meta WHERE key=?", {std::string(key)},
                 [&](const auto& row) { value = row.text(0); });
  return value;
}

std::int64_t changed_at(const std::filesystem::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_ctim.tv_sec : 0;
}

// The machine went down since rows of generation > 0 were written: their files may be missing, short or empty.
void settle_after_boot(const std::filesystem::path& store, BlobStore& blobs, Database& database) {
  const std::string synced = meta(database, "synced");
  const std::int64_t trusted = synced.empty() ? 0 : std::stoll(synced) - kClockSlackSeconds;
  std::vector<Digest> damaged;
  blobs.for_each([&](const Digest& digest, std::uint64_t) {
    if (changed_at(blobs.path_of(digest)) >= trusted && !blob_is_whole(blobs, digest)) {
      damaged.push_back(digest);
    }
  });
  for (const auto& digest : damaged) {
    blobs.remove(digest);
  }
  std::vector<Digest> durable;
  database.query("SELECT chain_id FROM layers WHERE unpacked=1 AND generation=0", {},
                 [&](const auto& row) { durable.push_back(row.digest(0)); });
  std::sort(durable.begin(), durable.end());
  for (const auto& entry : std::filesystem::directory_iterator(store / "snapshots")) {
    const auto chain = Digest::from_hex(entry.path().filename().string());
    if (!chain || !std::binary_search(durable.begin(), durable.end(), *chain)) {
      remove_tree(entry.path());
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(store / "index")) {
    if (changed_at(entry.path()) >= trusted) {
      remove_tree(entry.path());  // made again from the blob when it is asked for
    }
  }
  database.run("UPDATE layers SET unpacked=0 WHERE generation>0");
  // A layer is worth knowing while its blob or its snapshot is here; steps while their layer is.
  std::vector<Digest> lost;
  database.query("SELECT diff_id FROM layers WHERE unpacked=0", {},
                 [&](const auto& row) { lost.push_back(row.digest(0)); });
  const LayerTable table(database, blobs);
  std::erase_if(lost, [&](const Digest& diff) { return table.any_blob(diff).has_value(); });
  for (const auto& diff : lost) {
    database.run("DELETE FROM layers WHERE diff_id=? AND unpacked=0", {diff});
  }
  database.run("DELETE FROM steps WHERE generation>0 AND result NOT IN (SELECT chain_id FROM layers)");
}

// A blob that reads as a manifest with a subject says itself which one it belongs to.
void restore_referrers(BlobStore& blobs, Database& database) {
  constexpr std::uint64_t kLargest = 256U << 10;  // of artifacts' manifests; other blobs are not opened
  blobs.for_each([&](const Digest& digest, std::uint64_t size) {
    if (size > kLargest) {
      return;
    }
    try {
      const auto manifest = oci::parse_manifest(blobs.read(digest));
      if (oci::is_referrer(manifest) && blobs.contains(manifest.subject->digest)) {
        database.run("INSERT OR IGNORE INTO referrers VALUES(?,?)", {manifest.subject->digest, digest});
      }
    } catch (const Error&) {  // anything else
    }
  });
}

// The database is gone or unreadable: layers come back from the files beside the snapshots, tags from images/. Results
// of steps are lost; they are found again by running.
void restore(const std::filesystem::path& store, BlobStore& blobs, Database& database) {
  LayerTable table(database, blobs);
  for (const auto& entry : std::filesystem::directory_iterator(store / "snapshots")) {
    const auto layer = read_layer_file(entry.path() / "layer.json");
    if (layer && layer->chain_id.hex() == entry.path().filename().string() &&
        oci::chain_id(layer->parent, layer->diff_id) == layer->chain_id) {
      table.put(*layer, "restored " + layer->media_type);
    }
  }
  for (const auto& image : read_tag_files(store)) {
    if (blobs.contains(image.manifest)) {
      database.run("INSERT OR REPLACE INTO images VALUES(?,?,?)", {image.name, image.manifest, image.updated});
    }
  }
  restore_referrers(blobs, database);
}

std::unique_ptr<Database> open_or_replace(const std::filesystem::path& file) {
  try {
    return std::make_unique<Database>(file);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) {
      throw;
    }
  }
  const std::string aside = file.string() + ".damaged-" + std::to_string(std::time(nullptr));
  if (::rename(file.c_str(), aside.c_str()) != 0) {
    throw system_error("rename " + file.string());
  }
  ::unlink((file.string() + "-wal").c_str());
  ::unlink((file.string() + "-shm").c_str());
  return std::make_unique<Database>(file);
}

}  // namespace

bool blob_is_whole(const BlobStore& blobs, const Digest& digest) {
  const UniqueFd fd = blobs.open(digest);
  FileSource file(fd.get(), blobs.path_of(digest).string());
  return HashingSource(file).drain() == digest;
}

std::unique_ptr<Database> open_database(const std::filesystem::path& store, BlobStore& blobs) {
  const auto file = store / "db.sqlite";
  // Two first starts (of a boot, or of a store) take turns; later starts do not come here with work to do.
  const UniqueFd turn = open_file((store / "locks" / "open.lock").string(), O_RDWR | O_CREAT, 0600);
  while (::flock(turn.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      throw system_error("lock " + store.string());
    }
  }
  auto database = open_or_replace(file);
  const std::string boot = boot_id();
  const std::string known = meta(*database, "boot");
  if (known == boot) {
    return database;
  }
  if (known.empty()) {
    restore(store, blobs, *database);
  } else {
    settle_after_boot(store, blobs, *database);
  }
  database->run("INSERT OR REPLACE INTO meta VALUES('boot', ?)", {boot});
  return database;
}

}  // namespace dlc::store
