#include "verify/size_rule.h"

#include <algorithm>
#include <functional>
#include <map>

namespace dlc::verify {

namespace {

constexpr std::uint64_t kMebi = 1U << 20;

/// Bytes of a directory with all below it.
using Totals = std::map<std::string, std::uint64_t>;

Totals totals_of(std::span<const store::IndexEntry> entries) {
  Totals totals;
  for (const auto& entry : entries) {
    if (entry.type != 'f' || entry.size == 0) {
      continue;
    }
    totals[entry.path] += entry.size;
    for (auto slash = entry.path.rfind('/'); slash != std::string::npos && slash > 0;
         slash = entry.path.rfind('/', slash - 1)) {
      totals[entry.path.substr(0, slash)] += entry.size;
    }
  }
  return totals;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

/// The places directly in `directory`, the heaviest first.
std::vector<PathSize> children(const Totals& totals, const std::string& directory, std::size_t layer) {
  std::vector<PathSize> found;
  for (auto at = totals.upper_bound(directory); at != totals.end() && at->first.starts_with(directory); ++at) {
    if (is_below(at->first, directory) && at->first.find('/', directory.size() + 1) == std::string::npos) {
      found.push_back({at->first, at->second, layer});
    }
  }
  std::ranges::stable_sort(found, std::greater<>{}, &PathSize::bytes);
  return found;
}

}  // namespace

bool over_baseline(std::uint64_t bytes, std::int64_t baseline_mib) {
  // 1.2 x as a fraction: bytes / 2^20 > baseline x 6 / 5
  return baseline_mib > 0 && bytes * 5 > static_cast<std::uint64_t>(baseline_mib) * 6 * kMebi;
}

std::int64_t to_mib(std::uint64_t bytes) {
  return static_cast<std::int64_t>((bytes + kMebi / 2) / kMebi);
}

std::vector<PathSize> largest_paths(std::span<const store::IndexEntry> entries, std::size_t layer, std::size_t most) {
  const auto totals = totals_of(entries);
  std::vector<PathSize> places;  // disjoint, the heaviest first
  for (const auto& [path, bytes] : totals) {
    if (path.find('/') == std::string::npos) {
      places.push_back({path, bytes, layer});
    }
  }
  std::ranges::stable_sort(places, std::greater<>{}, &PathSize::bytes);
  // A directory one of whose children holds a quarter of it or more says less than its children do.
  for (std::size_t at = 0; at < std::min(most, places.size());) {
    auto inside = children(totals, places[at].path, layer);
    if (inside.empty() || inside.front().bytes * 4 < places[at].bytes) {
      ++at;
      continue;
    }
    places.erase(places.begin() + static_cast<std::ptrdiff_t>(at));
    places.insert(places.end(), inside.begin(), inside.end());
    std::ranges::stable_sort(places, std::greater<>{}, &PathSize::bytes);
  }
  places.resize(std::min(places.size(), most));
  for (auto& place : places) {
    place.path.insert(0, "/");
  }
  return places;
}

SizeFinding check_size(std::span<const SizedLayer> layers, std::int64_t baseline_mib, std::size_t most) {
  SizeFinding finding;
  finding.baseline_mib = baseline_mib;
  for (const auto& layer : layers) {
    finding.bytes += layer.bytes;
  }
  finding.over = over_baseline(finding.bytes, baseline_mib);
  if (!finding.over) {
    return finding;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    finding.layers.push_back({i + 1, layers[i].bytes, layers[i].made_by});
    if (layers[i].index) {
      const auto paths = largest_paths(layers[i].index(), i + 1, most);
      finding.paths.insert(finding.paths.end(), paths.begin(), paths.end());
    }
  }
  std::ranges::stable_sort(finding.layers, std::greater<>{}, &LayerSize::bytes);
  std::ranges::stable_sort(finding.paths, std::greater<>{}, &PathSize::bytes);
  finding.layers.resize(std::min(finding.layers.size(), most));
  finding.paths.resize(std::min(finding.paths.size(), most));
  return finding;
}

Growth growth(std::span<const store::IndexEntry> before, std::span<const store::IndexEntry> now, std::size_t most) {
  std::map<std::string, std::int64_t> sizes;
  Growth result;
  const auto count = [&](std::span<const store::IndexEntry> entries, std::int64_t sign) {
    for (const auto& entry : entries) {
      if (entry.type == 'f') {
        sizes[entry.path] += sign * static_cast<std::int64_t>(entry.size);
        result.bytes += sign * static_cast<std::int64_t>(entry.size);
      }
    }
  };
  count(before, -1);
  count(now, 1);
  std::vector<store::IndexEntry> grown;
  for (const auto& [path, bytes] : sizes) {
    if (bytes > 0) {
      auto& entry = grown.emplace_back();
      entry.path = path;
      entry.size = static_cast<std::uint64_t>(bytes);
    }
  }
  result.paths = largest_paths(grown, 0, most);
  return result;
}

}  // namespace dlc::verify
