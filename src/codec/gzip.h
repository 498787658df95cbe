#pragma once
// gzip (RFC 1952): a writer of one member whose blocks are deflated in parallel, and a reader of all members.
#include <memory>

#include "codec/deflate.h"
#include "codec/stream.h"

namespace dlc::codec {

/// The bytes do not depend on `threads` (at least 1). `out` is only used by the thread that writes. May be destroyed
/// without `finish` at any time.
[[nodiscard]] std::unique_ptr<Sink> gzip_sink(Sink& out, const DeflateEngine& engine, unsigned threads);

/// Anything but members in a row is Error(corrupt), zeros after the last one too.
[[nodiscard]] std::unique_ptr<Source> gzip_source(Source& in);

}  // namespace dlc::codec
