#include <algorithm>
#include <set>

#include "buildspec/plan.h"

namespace dlc::buildspec {

namespace {

std::optional<std::string> reason_of(const PlannedImage& image, const std::map<std::string, std::string>& unmet,
                                     const std::vector<PlannedImage>& images) {
  for (const auto& need : image.needs) {
    if (const auto found = unmet.find(need); found != unmet.end()) {
      return "it requires " + need + ": " + found->second;
    }
  }
  for (const auto& other : images) {
    if (image.base_image_name && other.left_out && other.buildspec == image.buildspec &&
        other.name == *image.base_image_name) {
      return "it is based on " + other.name + ", which is left out";
    }
  }
  return std::nullopt;
}

}  // namespace

void leave_out(Plan& plan, const std::map<std::string, std::string>& unmet) {
  std::set<std::string> kept;
  for (auto& image : plan.images) {  // parents stand above their children
    if (auto reason = image.to_build ? reason_of(image, unmet, plan.images) : std::nullopt) {
      image.left_out = std::move(reason);
      image.to_build = false;
    }
    if (image.to_build) {
      kept.insert(full_reference(image));
    }
  }
  std::erase_if(plan.operations, [&](const std::string& operation) {
    return !kept.contains(operation.substr(operation.find(' ') + 1));
  });
  for (auto& [suite, references] : plan.test_images) {
    std::erase_if(references, [&](const std::string& reference) { return !kept.contains(reference); });
  }
}

}  // namespace dlc::buildspec
