#pragma once
// The plan: what a set of buildspec files resolves to under one environment, selection and clock. Semantics:
// docs/formats/buildspec.md. Pure but for reading the buildspec files and looking whether Dockerfiles and context
// files exist. Thread-safe: no shared state.
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostics.h"
#include "base/error.h"

namespace dlc::buildspec {

class Document;

using Environment = std::map<std::string, std::string, std::less<>>;
using Pairs = std::vector<std::pair<std::string, std::string>>;  ///< ordered, keys unique

struct ResolveOptions {
  std::filesystem::path root = ".";       ///< the repository root; buildspec paths and results are relative to it
  std::vector<std::string> buildspecs;    ///< a file named twice counts once; empty: every
                                          ///< */buildspec*.yml one level below `root`, sorted
  std::string framework;                  ///< empty: each file's own
  std::vector<std::string> image_types;   ///< empty: all; an unknown value throws Error(usage)
  std::vector<std::string> device_types;  ///< as above
  std::vector<std::string> py_versions;   ///< as above
  std::optional<std::vector<std::string>> changed_files;  ///< of a pull request; used where BUILD_CONTEXT is PR
  Environment environment;                                ///< nothing else of the process's environment is read
  std::int64_t now = 0;                                   ///< seconds since 1970 UTC, for the date in tags
  bool check_files = true;                                ///< warn about missing Dockerfiles and context files
};

/// One file or directory of an image's build context.
struct ContextEntry {
  std::string source;       ///< as written: relative to the image's `root`
  std::string path;         ///< relative to the repository root, normalized; may not exist
  std::string target;       ///< path in the context
  bool downloaded = false;  ///< not in the repository: one of the image's `downloads`
  SourceLocation where;
};

/// A file to fetch before the build; it lands in the context as `target`.
struct Download {
  std::string type;  ///< "s3" or as written
  std::string uri;
  std::string variable;  ///< the build argument that names `target`
  std::string target;    ///< last part of `uri`
  SourceLocation where;
};

/// What a store has of an image already; filled in by whoever looked.
struct StoreState {
  std::size_t cached = 0;  ///< steps whose results are there
  std::size_t total = 0;   ///< all steps
  double seconds = 0;      ///< estimate for the rest, from the last runs
  bool complete = false;   ///< false: some of the rest has never run, and is not in the estimate
};

struct PlannedImage {
  std::string buildspec;  ///< path as given, relative to the repository root
  std::string name;       ///< the key below `images`; unique in one buildspec only
  std::string repository;
  std::string tag;               ///< full, with date and time
  std::string stable_tag;        ///< `tag` without date and time
  std::string docker_file;       ///< relative to `root`
  std::string docker_file_path;  ///< relative to the repository root
  std::string root;              ///< relative to the repository root
  std::string account_id;
  std::string region;
  std::string framework;
  std::string version;
  std::string device_type;
  std::string python_version;
  std::string image_type;
  std::int64_t image_size_baseline = 0;  ///< MiB, of the uncompressed layers together
  bool to_build = false;
  std::optional<std::string> target;           ///< build stage
  std::optional<std::string> base_image_name;  ///< an earlier image of the same buildspec
  std::optional<std::string> base_image_uri;   ///< that image's `repository:tag`
  std::optional<std::string> base;             ///< entry of base/images.toml; then build_args has
                                               ///< BASE_IMAGE=dlc.local/base/NAME, to be replaced by a digest
  Pairs build_args;
  Pairs labels;
  std::vector<ContextEntry> context;              ///< in order; the last one is the Dockerfile, target "Dockerfile"
                                                  ///< (earlier only where the buildspec has a context key `dockerfile`)
  std::vector<Download> downloads;                ///< their context entries stand in `context` as well, path = target
  std::optional<std::int64_t> source_date_epoch;  ///< of the image, else of the buildspec
  std::vector<std::string> needs;                 ///< the key `requires`: what must be there, such as "pytorch-index"
  SourceLocation needs_where;                     ///< of the key `requires`
  std::optional<std::string> left_out;            ///< why it is not built although it was selected; see `leave_out`
  std::optional<StoreState> in_store;             ///< not filled by `resolve`
  SourceLocation where;                           ///< of the image's name
  SourceLocation docker_file_where;               ///< of the value of `docker_file`
  SourceLocation baseline_where;                  ///< of the value of `image_size_baseline`
};

struct SkippedImage {
  std::string buildspec;
  std::string name;
  std::string reason;  ///< "version"
};

struct Plan {
  std::vector<PlannedImage> images;  ///< in the order of the files; also those not to build
  std::vector<SkippedImage> skipped;
  std::vector<std::string> operations;                          ///< "build REPOSITORY:TAG", parents before children
  std::map<std::string, std::vector<std::string>> test_images;  ///< test suite -> sorted references
  std::vector<std::string> buildspecs;                          ///< the files read, in order
  std::vector<std::shared_ptr<const Document>> documents;       ///< one per file of `buildspecs` that could be read

  [[nodiscard]] int selected() const;  ///< images to build
};

/// Findings about the files go to `diagnostics`; where it has errors the plan is incomplete and must not be acted on.
/// Throws Error(usage) for an unknown selection value, a buildspec of another framework or one that is not there.
[[nodiscard]] Plan resolve(const ResolveOptions& options, Diagnostics& diagnostics);

/// Takes the images that require one of `unmet` (name -> why it is not met) out of what is to be built, and the images
/// that are based on them.
void leave_out(Plan& plan, const std::map<std::string, std::string>& unmet);

/// The store's name of an image: `<last part of the repository>:<tag without date and time>`.
[[nodiscard]] std::string short_name(const PlannedImage& image);

/// `repository:tag`.
[[nodiscard]] std::string full_reference(const PlannedImage& image);

/// NAME of a placeholder `<set-$NAME-in-environment>` left in a text; such a reference can't be pushed.
[[nodiscard]] std::optional<std::string> unset_placeholder(std::string_view text);

/// The documented JSON of `dlc plan --output json` (docs/formats/plan.md), ending in a newline.
[[nodiscard]] std::string to_json(const Plan& plan);

/// The process's environment as a map.
[[nodiscard]] Environment process_environment();

}  // namespace dlc::buildspec
