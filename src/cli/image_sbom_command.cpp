// `dlc image sbom`: docs/image-check.md, "What an image holds".
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/output_file.h"
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
  bool attach = false;
  app.add_option("IMAGE", name, "a name or digest")->required();
  auto* format_option = app.add_option("--format", format, "spdx (2.3) or cyclonedx (1.6), both in JSON")
                            ->check(CLI::IsMember({"spdx", "cyclonedx"}));
  app.add_option("-o,--output", file, "write here instead of to standard output")->type_name("FILE");
  app.add_option("--platform", platform, "which one of an index; this machine's without it");
  app.add_flag("--attach", attach,
               "keep it in the store with the image, as an artifact that dlc image push and save take along; both "
               "formats unless --format says which");
  if (!parse(app, arguments)) {
    return 0;
  }
  if (attach && !file.empty()) {
    throw Error(ErrorKind::usage, "--attach and --output exclude each other").hint("give two commands");
  }
  const auto store = open_store(global.store);
  const auto image =
      find_image(*store, name, platform.empty() ? std::nullopt : std::optional(oci::parse_platform(platform)));
  const auto subject = read_sbom(*store, image);
  if (attach) {
    const auto formats =
        format_option->count() > 0 ? std::vector{format} : std::vector<std::string>{"spdx", "cyclonedx"};
    std::string lines;
    for (const auto& entry : attach_sbom(*store, image, subject, formats)) {
      lines += fmt::format("attached {}  {}\n", entry.artifact_type, entry.digest.str());
    }
    print_out(lines);
    return 0;
  }
  const auto text = sbom_text(subject, format);
  if (file.empty() || file == "-") {
    print_out(text);
  } else {
    write_output_file(file, text);
  }
  return 0;
}

}  // namespace dlc::cli
