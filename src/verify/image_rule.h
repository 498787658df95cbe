#pragma once
// The numbered rules of `dlc image check`: what they see of an image, and what they say. Each rule is a pure function.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "contents/image_tree.h"
#include "contents/loader.h"
#include "contents/packages.h"
#include "oci/image.h"
#include "verify/size_rule.h"

namespace dlc::verify {

struct CheckOptions {
  std::vector<std::string> required_labels{"org.opencontainers.image.title", "org.opencontainers.image.description",
                                           "org.opencontainers.image.version", "org.opencontainers.image.licenses"};
  bool sagemaker = false;    ///< its limits hold; else only where the labels say that it runs there
  unsigned max_growth = 20;  ///< per cent against the other image
};

/// An image with what the rules ask of it, read once. All members outlive the check.
struct Subject {
  const contents::ImageTree& tree;
  const oci::ImageConfig& config;
  std::vector<std::uint64_t> layer_bytes;  ///< of the uncompressed tars, lowest first
  std::vector<contents::DebianPackage> debian;
  std::set<std::string, std::less<>> debian_files;
  std::vector<contents::PythonPackage> python;
  std::vector<contents::ElfFile> elf;
  std::optional<Growth> growth;  ///< against another image, whose size is `against_bytes`
  std::uint64_t against_bytes = 0;
  CheckOptions options;

  [[nodiscard]] std::uint64_t bytes() const;
  /// Whether it is meant for SageMaker: by the option or its labels.
  [[nodiscard]] bool for_sagemaker() const;
};

/// Reads everything but `growth`. `tree` and `config` outlive the result.
[[nodiscard]] Subject make_subject(const contents::ImageTree& tree, const oci::ImageConfig& config,
                                   std::vector<std::uint64_t> layer_bytes, const CheckOptions& options);

struct Finding {
  std::string rule;  ///< "DLC003"
  Severity severity = Severity::error;
  std::string path;  ///< absolute; empty: the image's configuration or the image as a whole
  std::string message;
  std::string allowed;  ///< the reason of the allowlist entry that covers it; empty: none does
};

/// Takes a rule's findings: a path (relative, as the tree has it; may be empty) and a sentence without full stop.
using Report = std::function<void(std::string path, std::string message)>;

struct ImageRule {
  const char* id;
  const char* name;   ///< kebab-case
  const char* title;  ///< what must hold, one line
  Severity severity;
  void (*check)(const Subject& subject, const Report& report);  ///< nullptr: found by the allowlist
};

/// All rules, by number.
[[nodiscard]] std::span<const ImageRule> image_rules();

/// Runs the rules that `chosen` says yes to. Sorted by rule, then path.
[[nodiscard]] std::vector<Finding> check_image(const Subject& subject,
                                               const std::function<bool(const ImageRule&)>& chosen);

void check_python_dependencies(const Subject& subject, const Report& report);
void check_bytecode(const Subject& subject, const Report& report);
void check_python_files(const Subject& subject, const Report& report);
void check_libraries(const Subject& subject, const Report& report);
void check_architecture(const Subject& subject, const Report& report);
void check_reference_blas(const Subject& subject, const Report& report);
void check_private_keys(const Subject& subject, const Report& report);
void check_credentials(const Subject& subject, const Report& report);
void check_host_keys(const Subject& subject, const Report& report);
void check_histories(const Subject& subject, const Report& report);
void check_caches(const Subject& subject, const Report& report);
void check_stray_files(const Subject& subject, const Report& report);
void check_lost_files(const Subject& subject, const Report& report);
void check_world_writable(const Subject& subject, const Report& report);
void check_set_ids(const Subject& subject, const Report& report);
void check_closed_directories(const Subject& subject, const Report& report);
void check_labels(const Subject& subject, const Report& report);
void check_start(const Subject& subject, const Report& report);
void check_user(const Subject& subject, const Report& report);
void check_paths_of_env(const Subject& subject, const Report& report);
void check_licences(const Subject& subject, const Report& report);
void check_growth(const Subject& subject, const Report& report);
void check_platform_limits(const Subject& subject, const Report& report);

}  // namespace dlc::verify
