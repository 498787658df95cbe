#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "verify/image_rule.h"

namespace dlc::verify {

namespace {

constexpr auto kError = Severity::error;
constexpr auto kWarning = Severity::warning;

constexpr std::array kRules{
    ImageRule{"DLC001", "python-dependencies", "what a Python package requires is installed, in a version it allows",
              kError, check_python_dependencies},
    ImageRule{"DLC002", "python-bytecode", "compiled Python fits its source, so that it is used", kWarning,
              check_bytecode},
    ImageRule{"DLC003", "python-files",
              "the files that a Python package lists are there, but what was removed on purpose", kWarning,
              check_python_files},
    ImageRule{"DLC004", "libraries",
              "programs and libraries are whole, and the loader finds each library that they need", kError,
              check_libraries},
    ImageRule{"DLC005", "architecture", "programs and libraries on the usual paths are for the image's platform",
              kError, check_architecture},
    ImageRule{"DLC006", "reference-blas", "linear algebra does not run on the slow reference BLAS", kError,
              check_reference_blas},
    ImageRule{"DLC010", "private-key", "no private key is in a file", kError, check_private_keys},
    ImageRule{"DLC011", "credentials", "no password, token or access key is in a file, variable or build step", kError,
              check_credentials},
    ImageRule{"DLC012", "ssh-host-key", "no ssh host key is baked in: all containers would share it", kError,
              check_host_keys},
    ImageRule{"DLC020", "history", "no history of a shell or program is left", kError, check_histories},
    ImageRule{"DLC021", "cache", "no cache or list of a package manager is left", kWarning, check_caches},
    ImageRule{"DLC022", "stray-file", "no temporary file, editor's file or core dump is left", kWarning,
              check_stray_files},
    ImageRule{"DLC023", "lost-bytes", "no layer ships files that a later one removes or replaces", kWarning,
              check_lost_files},
    ImageRule{"DLC030", "world-writable", "not everybody may write to a file or directory", kError,
              check_world_writable},
    ImageRule{"DLC031", "set-id", "only Debian's packages bring programs with set-user-id or capabilities", kError,
              check_set_ids},
    ImageRule{"DLC032", "closed-directory", "who may list a directory may enter it", kError, check_closed_directories},
    ImageRule{"DLC040", "labels", "the image says what it is by its labels", kError, check_labels},
    ImageRule{"DLC041", "start", "entrypoint and command are lists of words, and the program is there", kError,
              check_start},
    ImageRule{"DLC042", "user", "the user exists, and is root where SageMaker runs the image", kError, check_user},
    ImageRule{"DLC043", "search-path", "PATH and LD_LIBRARY_PATH name absolute directories", kWarning,
              check_paths_of_env},
    ImageRule{"DLC044", "licences", "each package comes with its licence", kWarning, check_licences},
    ImageRule{"DLC050", "growth", "the image has not grown much against the other one (--against)", kWarning,
              check_growth},
    ImageRule{"DLC051", "platform-limits", "the image is within the limits of the platform it is meant for", kError,
              check_platform_limits},
    ImageRule{"DLC090", "allowlist-expired", "no exception of the allowlist has expired", kError, nullptr},
    ImageRule{"DLC091", "allowlist-unused", "each exception of the allowlist is needed", kWarning, nullptr},
    ImageRule{"DLC092", "allowlist-long", "there are few exceptions (--max-allowed)", kError, nullptr},
};

}  // namespace

std::uint64_t Subject::bytes() const {
  return std::accumulate(layer_bytes.begin(), layer_bytes.end(), std::uint64_t{0});
}

bool Subject::for_sagemaker() const {
  return options.sagemaker || std::ranges::any_of(config.labels, [](const auto& label) {
           return label.first.starts_with("com.amazonaws.sagemaker.");
         });
}

Subject make_subject(const contents::ImageTree& tree, const oci::ImageConfig& config,
                     std::vector<std::uint64_t> layer_bytes, const CheckOptions& options) {
  return Subject{.tree = tree,
                 .config = config,
                 .layer_bytes = std::move(layer_bytes),
                 .debian = contents::debian_packages(tree),
                 .debian_files = contents::debian_files(tree),
                 .python = contents::python_packages(tree),
                 .elf = contents::find_elf_files(tree),
                 .growth = std::nullopt,
                 .options = options};
}

std::span<const ImageRule> image_rules() {
  return kRules;
}

std::vector<Finding> check_image(const Subject& subject, const std::function<bool(const ImageRule&)>& chosen) {
  std::vector<Finding> findings;
  for (const auto& rule : kRules) {
    if (rule.check != nullptr && chosen(rule)) {
      rule.check(subject, [&](std::string path, std::string message) {
        findings.push_back({.rule = rule.id,
                            .severity = rule.severity,
                            .path = path.empty() ? std::string() : "/" + path,
                            .message = std::move(message),
                            .allowed = {}});
      });
    }
  }
  std::ranges::stable_sort(
      findings, [](const auto& a, const auto& b) { return std::tie(a.rule, a.path) < std::tie(b.rule, b.path); });
  return findings;
}

}  // namespace dlc::verify
