#pragma once
// What the store remembers beside content: results of steps, names of images, file digests by stat, costs. SQLite in
// WAL mode; every call is one short transaction. Thread-safe; shared by processes.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/digest.h"

namespace dlc::store {

using codec::Digest;
class Database;
class Lease;

struct StepRecord {
  Digest key;        ///< a definition key or a content key
  Digest operation;  ///< of the operation alone (tells whether any content key can match)
  Digest result;     ///< chain id of the file system after the step, or the digest of a source
  std::uint64_t cost_ms = 0;
  std::string inputs;  ///< JSON for explanations: what went into the key, by name
};

struct ImageRecord {
  std::string name;  ///< full reference
  Digest manifest;
  std::int64_t updated = 0;  ///< seconds since the epoch
};

/// Identity of a host file for the digest cache: equal stat, equal content, unless changed within the clock's grain.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  auto operator<=>(const FileStamp&) const = default;
};

class Records {
 public:
  Records(Database& database, const Lease& lease);

  /// A step that is found stays, with its result, while this run lives, whatever gc does.
  [[nodiscard]] std::optional<StepRecord> find_step(const Digest& key) const;
  [[nodiscard]] bool knows_operation(const Digest& operation) const;
  void put_step(const StepRecord& definition, const StepRecord& content);
  /// The newest step recorded under this stable name (image and step), for "what changed" explanations.
  [[nodiscard]] std::optional<StepRecord> last_step(std::string_view name) const;
  void set_last_step(std::string_view name, const Digest& key);
  void set_last_step(std::span<const std::string> names, const Digest& key);
  /// What the newest step with this operation took, whatever its inputs were.
  [[nodiscard]] std::optional<std::uint64_t> cost_ms(const Digest& operation) const;

  /// Names an image; durable on return (blobs and snapshots synced first).
  void tag(std::string_view name, const Digest& manifest);
  /// An image that is found stays while this run lives, even if its name is taken away.
  [[nodiscard]] std::optional<ImageRecord> find_image(std::string_view name) const;
  /// What this manifest names, here or still to come, stays while this run lives.
  void pin(const Digest& manifest) const;
  [[nodiscard]] std::vector<ImageRecord> images() const;
  bool untag(std::string_view name);

  /// Artifact manifests that belong to the manifest `subject` (store/referrers.h): they are kept as long as it is, and
  /// both while this run lives. Durable on return.
  void add_referrers(const Digest& subject, std::span<const Digest> manifests);
  [[nodiscard]] std::vector<Digest> referrers(const Digest& subject) const;  ///< sorted

  [[nodiscard]] std::optional<Digest> file_digest(const FileStamp& stamp) const;
  void put_file_digests(std::span<const std::pair<FileStamp, Digest>> digests);

  /// Small values by name: cached HEAD answers, plans ("no-op" stamps), base records.
  [[nodiscard]] std::optional<std::string> value(std::string_view key) const;
  void set_value(std::string_view key, std::string_view value);

 private:
  Database& database_;
  const Lease& lease_;
};

}  // namespace dlc::store
