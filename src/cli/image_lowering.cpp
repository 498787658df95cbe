#include "cli/image_lowering.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/files.h"
#include "dockerfile/dockerfile.h"

namespace dlc::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kDefaultEpoch = 1577836800;  // 2020-01-01 (docs/engine.md, "Time")

void describe_missing(const buildspec::ContextEntry& entry, const fs::path& path) {
  throw Error(ErrorKind::not_found, fmt::format("{} is not there", path.string()))
      .at(entry.where)
      .hint(fmt::format("it was to become {} in the build context", entry.target));
}

/// The file that a context entry of the downloads stands for.
const fs::path& downloaded(const buildspec::PlannedImage& image, const buildspec::ContextEntry& entry,
                           const std::map<std::string, fs::path>& downloads) {
  for (const auto& download : image.downloads) {
    const auto found = download.target == entry.target ? downloads.find(download.uri) : downloads.end();
    if (found != downloads.end()) {
      return found->second;
    }
  }
  throw Error(ErrorKind::not_found, "the download " + entry.target + " is not here yet").at(entry.where);
}

build::NamedContext make_context(const buildspec::PlannedImage& image, const ImageLowering& options) {
  constexpr std::uint32_t kDownloadMode = 0644;  // as a file that was just fetched; the store's own are 0600
  build::NamedContext context;
  context.local.name = "context";
  for (const auto& entry : image.context) {
    if (entry.downloaded) {
      const auto& file = downloaded(image, entry, options.downloads);
      context.local.entries.push_back({fs::absolute(file).string(), entry.target, kDownloadMode});
      continue;
    }
    const auto path = fs::absolute(options.root / entry.path).lexically_normal();
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      describe_missing(entry, path);
    }
    auto target = fs::path(entry.target).lexically_normal().relative_path().string();
    while (target.ends_with('/')) {
      target.pop_back();
    }
    if (target == "." || target == "..") {
      target.clear();
    }
    if (target.starts_with("../")) {
      throw Error(ErrorKind::invalid, "the target " + entry.target + " lies outside the build context").at(entry.where);
    }
    context.local.entries.push_back({path.string(), target, std::nullopt});
  }
  return context;
}

dockerfile::Dockerfile parse_dockerfile(const buildspec::PlannedImage& image, const fs::path& root,
                                        Diagnostics& diagnostics) {
  const auto path = (root / image.docker_file_path).lexically_normal();
  std::string text;
  try {
    text = read_file(path, 16 << 20);
  } catch (Error& error) {
    throw error.at(image.docker_file_where);
  }
  return dockerfile::parse(text, image.docker_file_path, diagnostics);
}

}  // namespace

std::string bases_of(const fs::path& root) {
  std::error_code ignored;
  const auto file = root / "base" / "images.toml";
  return fs::is_regular_file(file, ignored) ? file.string() : std::string();
}

std::map<std::string, std::string> host_proxies() {
  std::map<std::string, std::string> found;
  for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
                           "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != 0) {  // NOLINT(concurrency-mt-unsafe)
      found.emplace(name, value);
    }
  }
  return found;
}

std::string parent_of(const buildspec::Plan& plan, const buildspec::PlannedImage& image) {
  for (const auto& other : plan.images) {
    if (image.base_image_name && other.buildspec == image.buildspec && other.name == *image.base_image_name) {
      return buildspec::short_name(other);
    }
  }
  return {};
}

build::ImageTarget lower_image(const buildspec::PlannedImage& image, const ImageLowering& options,
                               const build::ImageResolver& resolver, build::Graph& graph) {
  Diagnostics diagnostics;
  const auto file = parse_dockerfile(image, options.root, diagnostics);
  build::LowerOptions lowering;
  lowering.dockerfile_name = image.docker_file_path;
  lowering.build_args = host_proxies();
  for (const auto& [key, value] : image.build_args) {
    lowering.build_args[key] = value;
  }
  if (!options.parent.empty()) {
    lowering.build_args["BASE_IMAGE"] = options.parent;
  }
  lowering.target = image.target.value_or("");
  lowering.platform = lowering.build_platform = oci::host_platform();
  lowering.context = make_context(image, options);
  for (const auto& [key, value] : image.labels) {
    lowering.labels[key] = value;
  }
  lowering.no_cache = options.no_cache;
  lowering.epoch = image.source_date_epoch.value_or(kDefaultEpoch);
  lowering.epoch_in_run = true;
  auto target = build::lower(file, lowering, resolver, graph, diagnostics);
  target.name = buildspec::short_name(image);
  return target;
}

}  // namespace dlc::cli
