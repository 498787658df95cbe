#pragma once
// Content-addressed blobs: blobs/sha256/<2 hex>/<64 hex>, immutable, mode 0600. A blob that is there is whole: it was
// written to tmp/, hashed on the way and renamed. Thread-safe; safe against other processes.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"

namespace dlc::store {

using codec::Digest;

class Lease;
class RunDirectory;

/// A blob being written. Destroyed without `commit`, it never was.
class BlobWriter : public codec::Sink {
 public:
  void write(std::span<const std::byte> bytes) override = 0;
  void finish() override = 0;
  /// After `finish`: moves the blob into place. With `expected`, another digest is Error(corrupt) and nothing is kept.
  virtual Digest commit(const std::optional<Digest>& expected = std::nullopt) = 0;
  [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
};

class BlobStore {
 public:
  /// `root` holds blobs/ and tmp/; `run` is for file systems without O_TMPFILE. Both outlive this.
  BlobStore(std::filesystem::path root, RunDirectory& run);

  /// Until then nothing is taken for young.
  void rely_on(const Lease& lease);
  /// A blob that is here stays while this run lives, whatever gc does.
  [[nodiscard]] bool contains(const Digest& digest) const;
  /// Bytes, or nullopt where it is missing.
  [[nodiscard]] std::optional<std::uint64_t> size(const Digest& digest) const;
  [[nodiscard]] UniqueFd open(const Digest& digest) const;  ///< Error(not_found)
  [[nodiscard]] std::string read(const Digest& digest, std::uint64_t limit = 64U << 20) const;
  [[nodiscard]] std::filesystem::path path_of(const Digest& digest) const;
  [[nodiscard]] std::unique_ptr<BlobWriter> create();
  Digest put(std::string_view text);
  /// In no particular order. Names that are no digests are skipped.
  void for_each(const std::function<void(const Digest&, std::uint64_t size)>& visit) const;
  void remove(const Digest& digest);

 private:
  std::filesystem::path root_;
  RunDirectory* run_;
  std::int64_t since_ = std::numeric_limits<std::int64_t>::max();
};

}  // namespace dlc::store
