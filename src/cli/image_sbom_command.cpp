// `dlc image sbom`: docs/image-check.md, "What an image holds".
#include <CLI/CLI.hpp>

#include "base/files.h"
#include "cli/image_command.h"
#include "cli/image_sbom.h"
#include "cli/parse.h"
#include "cli/print_out.h"

namespace dlc::cli {

int run_image_sbom(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("List what an image holds: Debian and Python packages, and libraries of no package.", "dlc image sbom");
  std::string name;
  std::string format = "spdx";
  std::string file;
  std::string platform;
  app.add_option("IMAGE", name, "a name or digest")->required();
  app.add_option("--format", format, "spdx (2.3) or cyclonedx (1.6), both in JSON")
      ->check(CLI::IsMember({"spdx", "cyclonedx"}));
  app.add_option("-o,--output", file, "write here instead of to standard output")->type_name("FILE");
  app.add_option("--platform", platform, "which one of an index; this machine's without it");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  const auto image =
      find_image(*store, name, platform.empty() ? std::nullopt : std::optional(oci::parse_platform(platform)));
  const auto text = sbom_text(*store, image, format);
  if (file.empty() || file == "-") {
    print_out(text);
  } else {
    write_file_atomically(file, text);
  }
  return 0;
}

}  // namespace dlc::cli
