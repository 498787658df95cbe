// Any bytes as a buildspec: no crash, no endless work, and what resolves can be printed, linted and explained.
// Build: cmake --preset fuzz; run: build/fuzz/test/fuzz/buildspec_fuzz test/fuzz/corpus/buildspec
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "buildspec/baselines.h"
#include "buildspec/document.h"
#include "buildspec/explain.h"
#include "buildspec/lint.h"
#include "buildspec/plan.h"

namespace {

constexpr const char* kName = "f/buildspec.yml";

/// One directory for the whole run; the files in it are written anew for each input.
const std::filesystem::path& repository() {
  static const dlc::TemporaryDirectory directory(std::filesystem::temp_directory_path(), "dlc-fuzz-");
  return directory.path();
}

void exercise(const dlc::buildspec::ResolveOptions& options, const std::string& text) {
  dlc::Diagnostics diagnostics;
  const auto plan = resolve(options, diagnostics);
  for (const auto& diagnostic : diagnostics.all()) {
    static_cast<void>(dlc::render(diagnostic));
  }
  static_cast<void>(to_json(plan));
  dlc::Diagnostics findings;
  lint(options, findings);
  static_cast<void>(dlc::buildspec::to_sarif(findings, "0"));
  for (const auto& image : plan.images) {
    for (const char* field : {".tag", ".repository", ".context", ".build"}) {
      try {
        static_cast<void>(explain(plan, options, image.name + field));
      } catch (const dlc::Error&) {
      }
    }
    try {
      static_cast<void>(
          dlc::buildspec::update_baselines(text, {{image.baseline_where.line, image.baseline_where.column, 1}}));
    } catch (const dlc::Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    std::filesystem::create_directories(repository() / "f");
    dlc::write_file_atomically(repository() / kName, text);
    dlc::buildspec::ResolveOptions options;
    options.root = repository();
    options.buildspecs = {kName};
    options.environment = {{"VERSION", "9.9"}, {"DEVICE_TYPE", "gpu"}};
    exercise(options, text);
  } catch (const dlc::Error&) {
    // a refusal is an answer
  }
  return 0;
}
