#pragma once
// One image of a buildspec: from the keys of its map to a PlannedImage. Internal to this folder.
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "buildspec/fields.h"
#include "buildspec/naming.h"
#include "buildspec/plan.h"

namespace dlc::buildspec {

/// What all images of one file share.
struct FileFacts {
  std::string account_id;
  std::string region;
  std::string framework;
  std::string version;
  const Entry* version_entry = nullptr;
  const Node* context = nullptr;
  std::optional<std::int64_t> source_date_epoch;
  BuildContext build_context = BuildContext::dev;
  std::string tag_suffix;
  std::string date_suffix;
};

class ImageResolver {
 public:
  ImageResolver(const Document& document, const FileFacts& file, const ResolveOptions& options,
                Diagnostics& diagnostics);

  /// Nullopt: skipped by the version rule. `earlier` are the images of the same file resolved so far.
  [[nodiscard]] std::optional<PlannedImage> resolve(const Entry& entry, const std::vector<PlannedImage>& earlier);

 private:
  [[nodiscard]] bool of_other_version(const Fields& fields) const;
  [[nodiscard]] bool flag(const Fields& fields) const;
  void names(const Fields& fields, PlannedImage& image) const;
  void base(const Fields& fields, const std::vector<PlannedImage>& earlier, PlannedImage& image) const;
  void downloads(const Fields& fields, PlannedImage& image) const;
  void versions(const Fields& fields, PlannedImage& image) const;
  void pairs(const Fields& fields, std::string_view key, Pairs& pairs) const;
  void requirements(const Fields& fields, PlannedImage& image) const;
  void context(const Fields& fields, PlannedImage& image) const;
  [[nodiscard]] std::optional<ContextEntry> context_entry(const Entry& entry, const PlannedImage& image) const;
  [[nodiscard]] bool inside(const std::string& path, const Position& at, std::string_view what) const;

  const Document& document_;
  const FileFacts& file_;
  const ResolveOptions& options_;
  Diagnostics& diagnostics_;
};

}  // namespace dlc::buildspec
