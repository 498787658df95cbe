#pragma once
// xz and bzip2, which other tools use for archives that ADD and `dlc image load` read; only ever decompressed.
#include <memory>

#include "codec/stream.h"

namespace dlc::codec {

enum class ForeignFormat { xz, bzip2 };

[[nodiscard]] std::unique_ptr<Source> foreign_source(Source& in, ForeignFormat format);

}  // namespace dlc::codec
