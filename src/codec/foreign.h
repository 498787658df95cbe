#pragma once
// xz and bzip2, which other tools use for archives that ADD and `dlc image load` read; only ever decompressed. By
// liblzma and libbz2 themselves: libarchive takes data that ends too early for complete (seen with 3.6.2).
#include <memory>

#include "codec/stream.h"

namespace dlc::codec {

enum class ForeignFormat { xz, bzip2 };

/// All streams in a row. xz data that needs more than 512 MiB is refused with Error(unsupported).
[[nodiscard]] std::unique_ptr<Source> foreign_source(Source& in, ForeignFormat format);

}  // namespace dlc::codec
