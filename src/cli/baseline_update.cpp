#include "cli/baseline_update.h"

#include <fmt/format.h>

#include <map>

#include "base/files.h"
#include "buildspec/baselines.h"
#include "cli/image_lookup.h"

namespace dlc::cli {

namespace {

constexpr std::uint64_t kMiB = 1U << 20;

std::optional<std::int64_t> size_in_store(const buildspec::PlannedImage& image, store::Store& store) {
  try {
    const auto size = unpacked_size(store, find_image(store, buildspec::short_name(image)));
    return size ? std::optional(static_cast<std::int64_t>((*size + kMiB - 1) / kMiB)) : std::nullopt;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) {
      throw;
    }
    return std::nullopt;
  }
}

std::string line_of(const std::string& text, int number) {
  std::size_t begin = 0;
  for (int line = 1; line < number; ++line) {
    begin = text.find('\n', begin) + 1;
  }
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

std::string apply_new_baselines(const buildspec::Plan& plan, const std::filesystem::path& root, store::Store& store) {
  std::map<std::string, std::vector<buildspec::BaselineChange>> changes;
  std::string shown;
  for (const auto& image : plan.images) {
    if (!image.to_build) {
      continue;
    }
    const auto size = size_in_store(image, store);
    if (!size) {
      shown += fmt::format("{}: not in the store; build it first\n", image.name);
    } else if (*size != image.image_size_baseline) {
      changes[image.buildspec].push_back(
          {.line = image.baseline_where.line, .column = image.baseline_where.column, .baseline = *size});
    }
  }
  for (const auto& [file, places] : changes) {
    const auto before = read_file(root / file);
    const auto after = buildspec::update_baselines(before, places);
    for (const auto& place : places) {
      shown += fmt::format("{}:{}\n  - {}\n  + {}\n", file, place.line, line_of(before, place.line),
                           line_of(after, place.line));
    }
    write_file_atomically(root / file, after, Durability::durable);
  }
  return changes.empty() ? shown + "every baseline is as the images in the store are\n" : shown;
}

}  // namespace dlc::cli
