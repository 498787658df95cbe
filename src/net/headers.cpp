#include <cctype>

#include "net/http.h"

namespace dlc::net {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return result;
}

}  // namespace

void Headers::add(std::string_view name, std::string_view value) {
  values_.emplace(lower(name), value);
}

std::optional<std::string> Headers::get(std::string_view name) const {
  const auto it = values_.find(lower(name));
  return it == values_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<std::string> Headers::all(std::string_view name) const {
  std::vector<std::string> result;
  const auto [first, last] = values_.equal_range(lower(name));
  for (auto it = first; it != last; ++it) {
    result.push_back(it->second);
  }
  return result;
}

}  // namespace dlc::net
