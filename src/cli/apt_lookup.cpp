#include "cli/apt_lookup.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/lines.h"
#include "cli/run_in_image.h"

namespace dlc::cli {

namespace {

constexpr int kNotAsked = 90;
constexpr const char* kAptScript = R"(
command -v apt-get >/dev/null || { echo "E: it has no apt-get" >&2; exit 90; }
apt-get -qq -o APT::Update::Error-Mode=any update >&2 || exit 90
ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || { echo "E: there are no package lists" >&2; exit 90; }
exec apt-get -qq install --simulate --no-install-recommends -- "$1"
)";

/// apt's errors, without its warnings.
std::string apt_errors(const std::string& text) {
  std::string errors;
  for (const auto line : split_lines(text)) {
    if (line.starts_with("E: ")) {
      errors += errors.empty() ? "" : "\n";
      errors += line.substr(3);
    }
  }
  return errors;
}

}  // namespace

std::optional<std::string> check_apt_package(const std::string& image, const std::string& package,
                                             const GlobalOptions& global) {
  try {
    require_image(image, global);
  } catch (const Error& error) {
    return error.what();
  }
  const auto result = run_in_image(image, "/bin/sh", {"-c", kAptScript, "sh", package}, global);
  const auto errors = apt_errors(result.error);
  if (result.status == kNotAsked) {
    return fmt::format("in {}: {}", image, errors);
  }
  if (result.status == 100) {
    throw Error(ErrorKind::failed, fmt::format("apt in {} can't install {}", image, package))
        .excerpt("  " + errors)
        .hint("apt-cache search WORD in a container of the image finds names, after apt-get update");
  }
  return result.status == 0 ? std::nullopt
                            : std::optional(fmt::format("in {}: status {}: {}", image, result.status, result.error));
}

}  // namespace dlc::cli
