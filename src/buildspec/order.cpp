#include "buildspec/order.h"

#include <algorithm>
#include <tuple>

namespace dlc::buildspec {

std::vector<Diagnostic> in_order(const std::vector<Diagnostic>& findings) {
  auto sorted = findings;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.where.file, a.where.line, a.where.column) < std::tie(b.where.file, b.where.line, b.where.column);
  });
  return sorted;
}

}  // namespace dlc::buildspec
