// `dlc image ls`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/image_command.h"
#include "cli/image_lookup.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/progress_view.h"
#include "cli/table.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string as_json(store::Store& store, const std::vector<LocalImage>& images) {
  Json list = Json::array();
  for (const auto& image : images) {
    const auto unpacked = unpacked_size(store, image);
    list.push_back({{"name", image.name},
                    {"digest", image.digest.str()},
                    {"config", image.manifest().config.digest.str()},
                    {"platform", image.platform_names()},
                    {"created", image.config().created},
                    {"updated", oci::rfc3339(image.updated)},
                    {"packed_size", packed_size(image)},
                    {"size", unpacked ? Json(*unpacked) : Json(nullptr)}});
  }
  const Json document = {{"schema", "dlc.images/1"}, {"images", std::move(list)}};
  return json_text(document);
}

std::string as_table(store::Store& store, const std::vector<LocalImage>& images) {
  Table table({"NAME", "DIGEST", "PLATFORM", "UPDATED", "PACKED", "SIZE"});
  for (const auto& image : images) {
    const auto unpacked = unpacked_size(store, image);
    table.add({familiar_name(image.name), image.digest.hex().substr(0, 12), image.platform_names(), age(image.updated),
               format_bytes(packed_size(image)), unpacked ? format_bytes(*unpacked) : "-"});
  }
  return table.text();
}

}  // namespace

int run_image_ls(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("List the images in the store.", "dlc image ls");
  std::string output = "table";
  std::string pattern;
  bool quiet = false;
  app.add_option("PATTERN", pattern, "only names that hold this text");
  app.add_option("--output", output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_flag("-q,--quiet", quiet, "names only");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  std::vector<std::string> damaged;
  auto images = list_images(*store, damaged);
  std::erase_if(images, [&](const auto& image) { return image.name.find(pattern) == std::string::npos; });
  if (output == "json") {
    print_out(as_json(*store, images));
  } else if (quiet) {
    std::string text;
    for (const auto& image : images) {
      text += familiar_name(image.name) + "\n";
    }
    print_out(text);
  } else if (images.empty() && damaged.empty()) {
    std::fprintf(stderr, "%s\n",
                 pattern.empty() ? "the store has no images; dlc build, dlc image load or dlc image pull "
                                   "bring some"
                                 : "no image has such a name");
  } else {
    print_out(as_table(*store, images));
  }
  for (const auto& name : damaged) {
    std::fprintf(stderr, "warning: %s is damaged; dlc store check tells more\n", name.c_str());
  }
  return 0;
}

}  // namespace dlc::cli
