#pragma once
// gzip and zstd as filters of a byte stream. Output is a function of the input alone: fixed 1 MiB blocks whatever the
// number of threads, one gzip member (mtime 0, OS 255), fixed engine and level (docs/engine.md, "Snapshots and
// layers").
#include <memory>
#include <string>

#include "codec/stream.h"

namespace dlc::codec {

enum class Compression { none, gzip, zstd };

struct CompressionOptions {
  Compression kind = Compression::gzip;
  int level = 0;          ///< 0: the default of the kind; gzip 1 and 2 are ISA-L, 3 to 9 zlib; zstd 1 to 19
  unsigned threads = 0;   ///< 0: as many as there are cores
  bool portable = false;  ///< the same bytes on every CPU, those without SSE4.2 too (zlib instead of ISA-L)
};

/// Compresses what is written into `out`, which must outlive it; `finish` ends the stream and finishes `out` too.
[[nodiscard]] std::unique_ptr<Sink> compress(Sink& out, const CompressionOptions& options);

/// Looks at the first bytes of `in` (which must outlive the result): gzip (all members), zstd (all frames), xz and
/// bzip2 or plain. `kind`, if given, gets gzip, zstd or none.
[[nodiscard]] std::unique_ptr<Source> decompress(Source& in, Compression* kind = nullptr);

/// "isal-2.30.0 level 1": part of a layer's record, since another engine gives other bytes.
[[nodiscard]] std::string engine_name(const CompressionOptions& options);

}  // namespace dlc::codec
