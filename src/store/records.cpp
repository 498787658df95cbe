#include "store/records.h"

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "store/database.h"
#include "store/host.h"
#include "store/lease.h"
#include "store/tags.h"

namespace dlc::store {

namespace {

constexpr std::int64_t kTouchAfterSeconds = 3600;   // `used` is for gc; exact to the hour is enough
constexpr std::int64_t kClockGrainNs = 20'000'000;  // two jiffies at the slowest tick (100 Hz)

std::int64_t now() {
  return std::time(nullptr);
}

std::int64_t signed_of(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

}  // namespace

Records::Records(Database& database, const Lease& lease) : database_(database), lease_(lease) {}

std::optional<StepRecord> Records::find_step(const Digest& key) const {
  std::optional<StepRecord> found;
  std::int64_t used = 0;
  database_.query(
      "SELECT operation, result, cost_ms, inputs, used FROM steps WHERE key=?", {key}, [&](const auto& row) {
        found = StepRecord{key, row.digest(0), row.digest(1), static_cast<std::uint64_t>(row.integer(2)), row.text(3)};
        used = row.integer(4);
      });
  const bool touch = used < lease_.since() || now() - used > kTouchAfterSeconds;
  if (found && touch && database_.run("UPDATE steps SET used=? WHERE key=?", {now(), key}) == 0) {
    return std::nullopt;  // gc was there in between
  }
  return found;
}

bool Records::knows_operation(const Digest& operation) const {
  bool known = false;
  database_.query("SELECT 1 FROM steps WHERE operation=? LIMIT 1", {operation}, [&](const auto&) { known = true; });
  return known;
}

void Records::put_step(const StepRecord& definition, const StepRecord& content) {
  with_space_hint([&] {
    database_.transaction([&] {
      const std::int64_t generation = database_.generation();
      for (const auto* step : {&definition, &content}) {
        if (step->key.is_zero()) {
          continue;  // a step may have one key only (a source)
        }
        database_.run(
            "INSERT OR REPLACE INTO steps VALUES(?,?,?,?,?,?,?)",
            {step->key, step->operation, step->result, signed_of(step->cost_ms), step->inputs, now(), generation});
      }
    });
  });
}

std::optional<StepRecord> Records::last_step(std::string_view name) const {
  Digest key;
  database_.query("SELECT key FROM last_steps WHERE name=?", {std::string(name)},
                  [&](const auto& row) { key = row.digest(0); });
  return key.is_zero() ? std::nullopt : find_step(key);
}

void Records::set_last_step(std::string_view name, const Digest& key) {
  database_.run("INSERT OR REPLACE INTO last_steps VALUES(?,?)", {std::string(name), key});
}

void Records::set_last_step(std::span<const std::string> names, const Digest& key) {
  database_.transaction([&] {
    for (const auto& name : names) {
      set_last_step(name, key);
    }
  });
}

std::optional<std::uint64_t> Records::cost_ms(const Digest& operation) const {
  std::optional<std::uint64_t> cost;
  database_.query("SELECT cost_ms FROM steps WHERE operation=? ORDER BY used DESC LIMIT 1", {operation},
                  [&](const auto& row) { cost = static_cast<std::uint64_t>(row.integer(0)); });
  return cost;
}

void Records::tag(std::string_view name, const Digest& manifest) {
  if (name.empty() || manifest.is_zero()) {
    throw Error(ErrorKind::internal, "a tag needs a name and a manifest");
  }
  const ImageRecord image{std::string(name), manifest, now()};
  with_space_hint([&] {
    write_tag_file(database_.directory(), image);  // before the flush, which then covers it
    database_.make_durable([&] {
      database_.run("INSERT OR REPLACE INTO images VALUES(?,?,?)", {image.name, image.manifest, image.updated});
    });
  });
}

void Records::pin(const Digest& manifest) const {
  database_.run("INSERT OR IGNORE INTO pins VALUES(?,?)", {lease_.run(), manifest});
}

std::optional<ImageRecord> Records::find_image(std::string_view name) const {
  std::optional<ImageRecord> found;
  database_.run("INSERT OR IGNORE INTO pins SELECT ?, manifest FROM images WHERE name=?",
                {lease_.run(), std::string(name)});
  database_.query("SELECT name, manifest, updated FROM images WHERE name=?", {std::string(name)},
                  [&](const auto& row) { found = ImageRecord{row.text(0), row.digest(1), row.integer(2)}; });
  return found;
}

std::vector<ImageRecord> Records::images() const {
  std::vector<ImageRecord> all;
  database_.query("SELECT name, manifest, updated FROM images ORDER BY name", {},
                  [&](const auto& row) { all.push_back({row.text(0), row.digest(1), row.integer(2)}); });
  return all;
}

bool Records::untag(std::string_view name) {
  bool removed = false;
  database_.transaction([&] { removed = database_.run("DELETE FROM images WHERE name=?", {std::string(name)}) > 0; },
                        Database::Flush::durable);
  if (removed) {
    remove_tag_file(database_.directory(), name);
  }
  return removed;
}

void Records::add_referrers(const Digest& subject, std::span<const Digest> manifests) {
  pin(subject);  // before the first look: gc may be at work
  const auto known = referrers(subject);
  const auto is_known = [&](const Digest& one) { return std::ranges::find(known, one) != known.end(); };
  if (std::ranges::all_of(manifests, is_known)) {
    return;
  }
  with_space_hint([&] {
    database_.make_durable([&] {
      for (const auto& manifest : manifests) {
        database_.run("INSERT OR IGNORE INTO referrers VALUES(?,?)", {subject, manifest});
      }
    });
  });
}

std::vector<Digest> Records::referrers(const Digest& subject) const {
  std::vector<Digest> all;
  database_.query("SELECT manifest FROM referrers WHERE subject=? ORDER BY manifest", {subject},
                  [&](const auto& row) { all.push_back(row.digest(0)); });
  return all;
}

std::optional<Digest> Records::file_digest(const FileStamp& stamp) const {
  std::optional<Digest> found;
  database_.query(
      "SELECT digest FROM file_digests WHERE device=? AND inode=? AND size=? AND mtime=? AND ctime=?",
      {signed_of(stamp.device), signed_of(stamp.inode), signed_of(stamp.size), stamp.mtime_ns, stamp.ctime_ns},
      [&](const auto& row) { found = row.digest(0); });
  return found;
}

void Records::put_file_digests(std::span<const std::pair<FileStamp, Digest>> digests) {
  if (digests.empty()) {
    return;
  }
  timespec clock{};
  ::clock_gettime(CLOCK_REALTIME, &clock);
  const std::int64_t racy = clock.tv_sec * 1'000'000'000 + clock.tv_nsec - kClockGrainNs;
  database_.transaction([&] {
    for (const auto& [stamp, digest] : digests) {
      // Changed within the clock's grain: a later change could carry the very same times.
      if (stamp.mtime_ns >= racy || stamp.ctime_ns >= racy) {
        continue;
      }
      database_.run("INSERT OR REPLACE INTO file_digests VALUES(?,?,?,?,?,?,?)",
                    {signed_of(stamp.device), signed_of(stamp.inode), signed_of(stamp.size), stamp.mtime_ns,
                     stamp.ctime_ns, digest, clock.tv_sec});
    }
  });
}

std::optional<std::string> Records::value(std::string_view key) const {
  std::optional<std::string> found;
  database_.query("SELECT value FROM named_values WHERE key=?", {std::string(key)},
                  [&](const auto& row) { found = row.text(0); });
  return found;
}

void Records::set_value(std::string_view key, std::string_view value) {
  with_space_hint([&] {
    database_.run("INSERT OR REPLACE INTO named_values VALUES(?,?)", {std::string(key), std::string(value)});
  });
}

}  // namespace dlc::store
