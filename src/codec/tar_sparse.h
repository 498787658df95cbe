#pragma once
// The maps of sparse files in tar archives (GNU tar manual, "Storing Sparse Files"): the old GNU header and the PAX
// formats 0.0, 0.1 and 1.0. Maps are bounded and checked before anybody uses them.
#include <cstdint>
#include <string_view>
#include <vector>

namespace dlc::codec::tar {

struct Extent {
  std::uint64_t offset = 0;  ///< in the file
  std::uint64_t size = 0;
};

class SparseMap {
 public:
  /// Throws Error(corrupt) above 2^18 extents.
  void add(Extent extent);
  /// The PAX 0.1 form: "offset,size,offset,size".
  void add_list(std::string_view list);
  [[nodiscard]] const std::vector<Extent>& extents() const noexcept { return extents_; }
  /// Throws Error(corrupt) unless the extents ascend without overlap, end within `file_size` and hold `stored` bytes.
  void check(std::uint64_t file_size, std::uint64_t stored) const;

 private:
  std::vector<Extent> extents_;
};

}  // namespace dlc::codec::tar
