#include "dockerfile/path.h"

#include <vector>

namespace dlc::dockerfile {

std::string clean_path(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part == ".." ? !absolute : !part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string result = absolute ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    result += i == 0 ? "" : "/";
    result += parts[i];
  }
  return result.empty() ? "." : result;
}

}  // namespace dlc::dockerfile
