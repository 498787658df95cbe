#pragma once
// Checking, measuring and sweeping a store; behind Store::check, usage and gc.
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include "store/store.h"

namespace dlc::store {

class Maintenance {
 public:
  /// All arguments outlive this.
  Maintenance(std::filesystem::path store, BlobStore& blobs, Layers& layers, Records& records, Database& database);

  [[nodiscard]] std::vector<CheckFinding> check(bool contents);
  [[nodiscard]] Usage usage();
  /// The caller holds the store's lock exclusively, unless `dry_run`.
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
  void reach_chain(const Digest& chain, Reachable& reachable);
  Reachable reach(std::int64_t young_since);
  void sweep_files(const Reachable& reachable, std::int64_t young_since, bool dry_run, GcResult& result);
  void sweep_rows(std::int64_t young_since);

  std::filesystem::path store_;
  BlobStore& blobs_;
  Layers& layers_;
  Records& records_;
  Database& database_;
};

}  // namespace dlc::store
