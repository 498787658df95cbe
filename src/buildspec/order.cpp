#include "buildspec/order.h"

#include <algorithm>
#include <tuple>

namespace dlc::buildspec {

std::vector<Diagnostic> in_order(const std::vector<Diagnostic>& findings) {
  // Sorting pointers with their address as the last criterion is stable; std::stable_sort of libstdc++ 12 is not usable
  // with clang's warnings as errors.
  std::vector<const Diagnostic*> order;
  order.reserve(findings.size());
  for (const auto& finding : findings) {
    order.push_back(&finding);
  }
  std::sort(order.begin(), order.end(), [](const Diagnostic* a, const Diagnostic* b) {
    return std::tie(a->where.file, a->where.line, a->where.column, a) <
           std::tie(b->where.file, b->where.line, b->where.column, b);
  });
  std::vector<Diagnostic> sorted;
  sorted.reserve(findings.size());
  for (const Diagnostic* finding : order) {
    sorted.push_back(*finding);
  }
  return sorted;
}

}  // namespace dlc::buildspec
