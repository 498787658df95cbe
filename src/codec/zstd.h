#pragma once
// Zstandard (RFC 8878): a writer of one frame with a checksum, and a reader of all frames, skippable ones too.
#include <memory>
#include <string>

#include "codec/stream.h"

namespace dlc::codec {

/// `level` 0: the default, 3. The bytes do not depend on `threads` (at least 1).
[[nodiscard]] std::unique_ptr<Sink> zstd_sink(Sink& out, int level, unsigned threads);

/// Frames with a window above 128 MiB are refused with Error(unsupported), as the zstd program does.
[[nodiscard]] std::unique_ptr<Source> zstd_source(Source& in);

[[nodiscard]] std::string zstd_name(int level);

}  // namespace dlc::codec
