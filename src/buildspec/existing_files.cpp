#include "buildspec/existing_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/suggest.h"
#include "buildspec/document.h"

namespace dlc::buildspec {

namespace {

namespace fs = std::filesystem;

class Checker {
 public:
  Checker(const fs::path& root, const Plan& plan, Diagnostics& diagnostics)
      : root_(root), plan_(plan), diagnostics_(diagnostics) {}

  void check(const PlannedImage& image, const std::string& path, const SourceLocation& where, bool dockerfile) {
    if (path.empty() || exists(path) || !reported_.emplace(where.file, where.line, where.column, path).second) {
      return;
    }
    const auto message = dockerfile ? fmt::format("Dockerfile of {} not found: {}", image.name, path)
                                    : fmt::format("artifact of {} not found: {}", image.name, path);
    Diagnostic diagnostic;
    diagnostic.severity = Severity::warning;
    diagnostic.where = where;
    diagnostic.message = message;
    diagnostic.hint = nearby(path);
    diagnostic.rule = dockerfile ? "missing-dockerfile" : "missing-artifact";
    for (const auto& document : plan_.documents) {
      if (document->name() == where.file) {
        diagnostic.line = std::string(document->line(where.line));
      }
    }
    diagnostics_.add(std::move(diagnostic));
  }

 private:
  bool exists(const std::string& path) {
    const auto [found, is_new] = known_.try_emplace(path, false);
    if (is_new) {
      std::error_code error;
      found->second = fs::exists(root_ / path, error);
    }
    return found->second;
  }

  /// What lies in the deepest directory of the path that exists.
  [[nodiscard]] std::string nearby(const std::string& path) const {
    fs::path there = ".";
    for (const auto& part : fs::path(path)) {
      std::error_code error;
      if (!fs::is_directory(root_ / there / part, error)) {
        return listing(there, part.string(), path.ends_with("/" + part.string()));
      }
      there = there == "." ? part : there / part;
    }
    return {};
  }

  [[nodiscard]] std::string listing(const fs::path& directory, const std::string& wanted, bool last) const {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(root_ / directory, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      std::error_code inner;
      if (last || entry->is_directory(inner)) {
        names.push_back(entry->path().filename().string());
      }
    }
    std::sort(names.begin(), names.end());
    if (const auto similar = closest(wanted, names); !similar.empty()) {
      return fmt::format("did you mean {}?", (directory / similar).lexically_normal().generic_string());
    }
    constexpr std::size_t kShown = 5;
    if (names.empty() || names.size() > kShown || directory == ".") {
      return fmt::format("{} has no {}", directory == "." ? "the repository" : directory.generic_string(), wanted);
    }
    return fmt::format("{} has {}", directory.generic_string(), fmt::join(names, ", "));
  }

  const fs::path& root_;
  const Plan& plan_;
  Diagnostics& diagnostics_;
  std::unordered_map<std::string, bool> known_;
  std::set<std::tuple<std::string, int, int, std::string>> reported_;
};

}  // namespace

void check_files(const fs::path& root, const Plan& plan, FilesOf which, Diagnostics& diagnostics) {
  Checker checker(root, plan, diagnostics);
  for (const auto& image : plan.images) {
    if (which == FilesOf::selected && !image.to_build) {
      continue;
    }
    checker.check(image, image.docker_file_path, image.docker_file_where, true);
    for (const auto& entry : image.context) {
      if (!entry.downloaded && entry.path != image.docker_file_path) {
        checker.check(image, entry.path, entry.where, false);
      }
    }
  }
}

}  // namespace dlc::buildspec
