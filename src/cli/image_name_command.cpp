// `dlc image tag` and `dlc image rm`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/error.h"
#include "cli/image_command.h"
#include "cli/image_lookup.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "oci/reference.h"

namespace dlc::cli {

int run_image_tag(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Give an image one more name.", "dlc image tag");
  std::string source;
  std::vector<std::string> names;
  app.add_option("IMAGE", source, "a name or digest")->required();
  app.add_option("NAME", names, "new names")->required();
  if (!parse(app, arguments)) {
    return 0;
  }
  std::vector<std::string> full;
  for (const auto& name : names) {
    const auto reference = oci::parse_reference(name);
    if (reference.digest) {
      throw Error(ErrorKind::usage, fmt::format("{} is no name to give: it has a digest", name));
    }
    full.push_back(reference.str());
  }
  const auto store = open_store(global.store);
  const auto image = find_image(*store, source);
  for (const auto& name : full) {
    store->records().tag(name, image.digest);
  }
  return 0;
}

int run_image_rm(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Take names away. What no name needs any more is removed by dlc store gc.", "dlc image rm");
  std::vector<std::string> names;
  bool force = false;
  app.add_option("IMAGE", names, "names; a digest takes away all names of that image")->required();
  app.add_flag("-f,--force", force, "a missing image is no error");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  std::string text;
  for (const auto& name : names) {
    std::string direct;  // a damaged image must lose its name too
    try {
      direct = oci::parse_reference(name).str();
    } catch (const Error&) {  // a digest
    }
    if (!direct.empty() && store->records().untag(direct)) {
      text += "untagged " + familiar_name(direct) + "\n";
      continue;
    }
    try {
      const auto image = find_image(*store, name);
      for (const auto& record : store->records().images()) {
        if (record.manifest == image.digest && store->records().untag(record.name)) {
          text += "untagged " + familiar_name(record.name) + "\n";
        }
      }
    } catch (const Error& error) {
      if (!force || error.kind() != ErrorKind::not_found) {
        print_out(text);
        throw;
      }
    }
  }
  print_out(text);
  return 0;
}

}  // namespace dlc::cli
