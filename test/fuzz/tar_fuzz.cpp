// Any bytes as a tar archive: entries or Error(corrupt/unsupported), in bounded time and memory. What was read is
// written again and must read the same.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "codec/sinks.h"
#include "codec/tar.h"

namespace {

using dlc::Error;
using dlc::ErrorKind;
namespace codec = dlc::codec;

constexpr std::uint64_t kMostContent = 1 << 20;

void read_all(codec::Source& in, codec::TarWriter* out) {
  codec::TarReader reader(in);
  std::vector<std::byte> buffer(4096);
  while (auto entry = reader.next()) {
    if (entry->size > kMostContent) {
      continue;  // a hole of any length is allowed
    }
    if (out != nullptr) {
      if (entry->path.empty()) {
        entry->path = entry->type == codec::TarEntry::Type::directory ? "" : "root";
      }
      out->begin(*entry);
    }
    while (const std::size_t count = reader.read(buffer)) {
      if (out != nullptr) {
        out->data(std::span(buffer).first(count));
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  codec::StringSink copy;
  try {
    codec::MemorySource in(std::string_view(reinterpret_cast<const char*>(data), size));
    codec::TarWriter writer(copy);
    read_all(in, &writer);
    writer.finish();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::unsupported) {
      std::abort();
    }
    return 0;
  }
  const std::string bytes = copy.take();
  codec::MemorySource again(std::string_view{bytes});
  read_all(again, nullptr);  // an error here is a bug of the writer
  return 0;
}
