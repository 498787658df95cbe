#include "buildspec/unused_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace dlc::buildspec {

namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 12;
constexpr std::size_t kMostFiles = 100'000;

std::string parent_of(const std::string& path) {
  return fs::path(path).parent_path().generic_string();
}

bool is_dockerfile(const std::string& name) {
  if (name == "Dockerfile") {
    return true;
  }
  const auto extension = fs::path(name).extension().string();
  static const std::set<std::string> kSideFiles{".json", ".txt", ".py", ".sh", ".yml", ".yaml", ".md", ".dockerignore"};
  return name.starts_with("Dockerfile.") && kSideFiles.count(extension) == 0;
}

/// All regular files below a directory, relative to the repository root.
std::vector<std::string> files_below(const fs::path& root, const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(root / directory, fs::directory_options::skip_permission_denied, error);
  for (; !error && entry != fs::recursive_directory_iterator() && files.size() < kMostFiles; entry.increment(error)) {
    if (entry.depth() >= kDeepest) {
      entry.disable_recursion_pending();
    }
    std::error_code inner;
    if (entry->is_regular_file(inner)) {
      files.push_back(entry->path().lexically_relative(root).lexically_normal().generic_string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct Used {
  std::set<std::string> files;        ///< paths named, also directories
  std::set<std::string> directories;  ///< directories that artifacts are taken from
};

Used used_by(const Plan& plan) {
  Used used;
  for (const auto& image : plan.images) {
    used.files.insert(image.docker_file_path);
    for (const auto& entry : image.context) {
      used.files.insert(entry.path);
      if (!entry.downloaded && entry.path != image.docker_file_path) {
        used.directories.insert(parent_of(entry.path));
      }
    }
  }
  return used;
}

/// Whether the path or a directory above it is used.
bool covered(const Used& used, std::string path) {
  for (; !path.empty(); path = parent_of(path)) {
    if (used.files.count(path) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

void check_unused(const fs::path& root, const Plan& plan, const Plan& all, Diagnostics& diagnostics) {
  const Used used = used_by(all);
  std::set<std::string> roots;
  for (const auto& image : plan.images) {
    const auto directory = fs::path(image.root).lexically_normal().generic_string();
    const bool outside = directory.starts_with("/") || directory.starts_with("..");  // reported as an error
    if (!outside && !directory.empty() && directory != "." && directory != "./") {
      roots.insert(directory);
    }
  }
  std::set<std::string> reported;
  for (const auto& directory : roots) {
    for (const auto& path : files_below(root, directory)) {
      const bool dockerfile = is_dockerfile(fs::path(path).filename().string());
      const bool artifact = !dockerfile && used.directories.count(parent_of(path)) != 0;
      if ((!dockerfile && !artifact) || covered(used, path) || !reported.insert(path).second) {
        continue;
      }
      Diagnostic diagnostic;
      diagnostic.severity = Severity::warning;
      diagnostic.where = {path, 0, 0};
      diagnostic.message = dockerfile ? "no image of any buildspec uses this Dockerfile"
                                      : "no image of any buildspec takes this file into its context";
      diagnostic.hint = dockerfile ? "remove it, or add an image" : "remove it, or add it to a context";
      diagnostic.rule = dockerfile ? "unused-dockerfile" : "unused-artifact";
      diagnostics.add(std::move(diagnostic));
    }
  }
}

}  // namespace dlc::buildspec
