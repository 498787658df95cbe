#pragma once
// Unpacks a layer's tar into overlayfs's upper form over a merged parent. Treats every entry as hostile: names resolve
// in the merged tree and never outside it. OCI image-spec, layer.md, "Applying Changesets".
#include <memory>
#include <vector>

#include "codec/tar.h"
#include "store/layers.h"
#include "store/tree.h"

namespace dlc::store {

class Extractor {
 public:
  /// `upper` (a directory that holds nothing) and `lower` outlive this.
  Extractor(int upper, LowerView& lower);
  ~Extractor();
  /// Applies one entry; reads its content from `tar`. Error(invalid) for entries that no honest archive has.
  void apply(const codec::TarEntry& entry, codec::TarReader& tar);
  /// Sets the directories' times; returns the index in the order of the tar.
  [[nodiscard]] std::vector<IndexEntry> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads all entries and gives the index only.
[[nodiscard]] std::vector<IndexEntry> index_tar(codec::TarReader& tar);

}  // namespace dlc::store
