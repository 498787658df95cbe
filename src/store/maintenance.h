#pragma once
// Checking, measuring and sweeping a store; behind Store::check, usage and gc.
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include "store/store.h"

namespace dlc::store {

class Lease;
class RunDirectory;

class Maintenance {
 public:
  /// All of them outlive this.
  struct Parts {
    std::filesystem::path directory;
    BlobStore& blobs;
    Layers& layers;
    Records& records;
    Database& database;
    RunDirectory& run;
    const Lease& lease;
  };
  explicit Maintenance(const Parts& parts);

  [[nodiscard]] std::vector<CheckFinding> check(bool contents);
  [[nodiscard]] Usage usage();
  GcResult gc(std::int64_t keep_seconds, bool dry_run);

 private:
  struct Reachable {
    std::unordered_set<Digest> blobs;
    std::unordered_set<Digest> chains;
    std::unordered_set<Digest> diffs;
  };

  void check_blobs(bool contents, std::vector<CheckFinding>& findings);
  void check_images(std::vector<CheckFinding>& findings);
  void check_layers(std::vector<CheckFinding>& findings);
  /// Adds an image's blobs and layers; reports what is missing to `findings` where given.
  void reach_manifest(const Digest& manifest, const std::string& image, Reachable& reachable,
                      std::vector<CheckFinding>* findings, int depth = 0);
  /// The same for what belongs to the manifest `subject`, and to that.
  void reach_referrers(const Digest& subject, const std::string& image, Reachable& reachable,
                       std::vector<CheckFinding>* findings);
  void reach_chain(const Digest& chain, Reachable& reachable);
  /// What is as young is kept: used within the time asked for, or since the oldest live run began.
  struct Young {
    std::int64_t rows = 0;          ///< seconds
    std::int64_t files = 0;         ///< nanoseconds, by the clock of file systems
    std::vector<std::string> runs;  ///< that are alive: what they pinned is kept
  };
  Reachable reach(const Young& young);
  [[nodiscard]] std::vector<Digest> subjects();  ///< of referrers
  [[nodiscard]] Young young_since(std::int64_t keep_seconds, bool dry_run);
  void sweep_rows(const Reachable& reachable, const Young& young);
  void sweep_files(const Reachable& reachable, const Young& young, bool dry_run, GcResult& result);
  /// Removes it unless it has become young meanwhile.
  bool remove(const std::filesystem::path& file, const Young& young);
  void sweep_step_locks();

  std::filesystem::path store_;
  BlobStore& blobs_;
  Layers& layers_;
  Records& records_;
  Database& database_;
  RunDirectory& run_;
  const Lease& lease_;
};

}  // namespace dlc::store
