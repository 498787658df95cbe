#include "codec/tar_sparse.h"

#include <string>

#include "base/error.h"
#include "codec/tar_format.h"

namespace dlc::codec::tar {

namespace {

constexpr std::size_t kMostExtents = 1U << 18;

[[noreturn]] void fail(const char* why) {
  throw Error(ErrorKind::corrupt, std::string("damaged tar archive: sparse map ") + why);
}

}  // namespace

void SparseMap::add(Extent extent) {
  if (extents_.size() == kMostExtents) {
    fail("is too long");
  }
  extents_.push_back(extent);
}

void SparseMap::add_list(std::string_view list) {
  bool more = !list.empty();
  const auto take = [&](const char* what) {
    if (!more) {
      fail("has an offset without a size");
    }
    const auto comma = list.find(',');
    const std::uint64_t value = decimal(list.substr(0, comma), what);
    more = comma != std::string_view::npos;
    list.remove_prefix(more ? comma + 1 : list.size());
    return value;
  };
  while (more) {
    const std::uint64_t offset = take("a sparse offset");
    add({offset, take("a sparse size")});
  }
}

void SparseMap::check(std::uint64_t file_size, std::uint64_t stored) const {
  std::uint64_t at = 0;
  std::uint64_t total = 0;
  for (const Extent& extent : extents_) {
    if (extent.offset < at || extent.offset > file_size || extent.size > file_size - extent.offset) {
      fail("is not in order");
    }
    at = extent.offset + extent.size;
    total += extent.size;
  }
  if (total != stored) {
    fail("does not fit the stored data");
  }
}

}  // namespace dlc::codec::tar
