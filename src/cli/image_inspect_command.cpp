// `dlc image inspect` and `dlc image history`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "cli/image_command.h"
#include "cli/image_lookup.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/progress_view.h"
#include "cli/table.h"
#include "store/referrers.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

Json size_json(std::optional<std::uint64_t> size) {
  return size ? Json(*size) : Json(nullptr);
}

/// What belongs to the chosen platform's manifest, and to the index around it.
std::vector<store::Referrer> attached(store::Store& store, const LocalImage& image) {
  auto all = store::referrers_of(store, image.manifest_digest());
  if (image.digest != image.manifest_digest()) {
    std::ranges::move(store::referrers_of(store, image.digest), std::back_inserter(all));
  }
  return all;
}

std::uint64_t content_size(const oci::Manifest& artifact) {
  std::uint64_t bytes = 0;
  for (const auto& layer : artifact.layers) {
    bytes += layer.size;
  }
  return bytes;
}

Json inspect_json(store::Store& store, const LocalImage& image) {
  Json layers = Json::array();
  for (std::size_t i = 0; i < image.manifest().layers.size(); ++i) {
    const auto& layer = image.manifest().layers[i];
    layers.push_back({{"digest", layer.digest.str()},
                      {"diff_id", i < image.config().diff_ids.size() ? image.config().diff_ids[i].str() : ""},
                      {"media_type", layer.media_type},
                      {"packed_size", layer.size},
                      {"size", size_json(layer_size(store, image, i))},
                      {"local", store.blobs().contains(layer.digest)}});
  }
  Json platforms = Json::array();
  for (const auto& one : image.platforms) {
    platforms.push_back({{"platform", oci::to_string(one.platform)}, {"digest", one.digest.str()}});
  }
  Json referrers = Json::array();
  for (const auto& [descriptor, manifest] : attached(store, image)) {
    referrers.push_back({{"digest", descriptor.digest.str()},
                         {"artifact_type", descriptor.artifact_type},
                         {"size", content_size(manifest)},
                         {"subject", manifest.subject->digest.str()}});
  }
  return {{"schema", "dlc.image/1"},
          {"name", image.name},
          {"digest", image.digest.str()},
          {"platform", oci::to_string(image.platforms.at(image.chosen).platform)},
          {"platforms", std::move(platforms)},
          {"packed_size", packed_size(image)},
          {"size", size_json(unpacked_size(store, image))},
          {"layers", std::move(layers)},
          {"referrers", std::move(referrers)},
          {"manifest", Json::parse(store.blobs().read(image.manifest_digest()))},
          {"config", Json::parse(store.blobs().read(image.manifest().config.digest))}};
}

std::string join(const std::vector<std::string>& words) {
  Json json = words;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void line(std::string& text, const char* name, const std::string& value) {
  if (!value.empty()) {
    text += fmt::format("{:<12}{}\n", name, printable(value));
  }
}

std::string inspect_text(store::Store& store, const LocalImage& image) {
  const auto& config = image.config();
  const auto unpacked = unpacked_size(store, image);
  std::string text;
  line(text, "Name", familiar_name(image.name));
  line(text, "Digest", image.digest.str());
  line(text, "Config", image.manifest().config.digest.str());
  line(text, "Platform", oci::to_string(image.platforms.at(image.chosen).platform));
  if (image.platforms.size() > 1) {
    line(text, "Platforms", image.platform_names());
  }
  line(text, "Created", config.created);
  line(text, "Size",
       fmt::format("{} packed{}", format_bytes(packed_size(image)),
                   unpacked ? ", " + format_bytes(*unpacked) + " unpacked" : ""));
  line(text, "User", config.user);
  line(text, "Directory", config.working_dir);
  line(text, "Entrypoint", config.entrypoint ? join(*config.entrypoint) : "");
  line(text, "Command", config.cmd ? join(*config.cmd) : "");
  line(text, "Stop signal", config.stop_signal);
  line(text, "Health", config.healthcheck ? join(config.healthcheck->test) : "");
  for (const auto& [heading, values] : {std::pair{"Environment", config.env}, std::pair{"Ports", config.exposed_ports},
                                        std::pair{"Volumes", config.volumes}}) {
    for (const auto& value : values) {
      line(text, &value == values.data() ? heading : "", value);
    }
  }
  const char* heading = "Labels";
  for (const auto& [key, value] : config.labels) {
    line(text, std::exchange(heading, ""), key + "=" + value);
  }
  heading = "Layers";
  for (const auto& layer : image.manifest().layers) {
    line(text, std::exchange(heading, ""), fmt::format("{}  {}", layer.digest.str(), format_bytes(layer.size)));
  }
  heading = "Attached";
  for (const auto& [descriptor, manifest] : attached(store, image)) {
    line(text, std::exchange(heading, ""),
         fmt::format("{}  {}  {}", descriptor.digest.str(), descriptor.artifact_type,
                     format_bytes(content_size(manifest))));
  }
  return text;
}

}  // namespace

int run_image_inspect(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Show what an image is made of and how it starts.", "dlc image inspect");
  std::vector<std::string> names;
  std::string output = "text";
  std::string raw;
  app.add_option("IMAGE", names, "names or digests")->required();
  app.add_option("--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  std::string platform;
  app.add_option("--raw", raw,
                 "print this document byte for byte: index (or manifest, where the name stands for one), "
                 "manifest or config")
      ->check(CLI::IsMember({"index", "manifest", "config"}));
  app.add_option("--platform", platform, "which one of an index; this machine's without it");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  Json list = Json::array();
  std::string text;
  for (const auto& name : names) {
    const auto image =
        find_image(*store, name, platform.empty() ? std::nullopt : std::optional(oci::parse_platform(platform)));
    if (!raw.empty()) {
      text += store->blobs().read(raw == "config"  ? image.manifest().config.digest
                                  : raw == "index" ? image.digest
                                                   : image.manifest_digest());
    } else if (output == "json") {
      list.push_back(inspect_json(*store, image));
    } else {
      text += (text.empty() ? "" : "\n") + inspect_text(*store, image);
    }
  }
  print_out(raw.empty() && output == "json" ? json_text(list) : text);
  return 0;
}

namespace {

struct HistoryLine {
  const oci::History* entry;
  std::optional<std::size_t> layer;
};

std::vector<HistoryLine> history_lines(const oci::ImageConfig& config) {
  std::vector<HistoryLine> lines;
  std::size_t layer = 0;
  for (const auto& entry : config.history) {
    const bool has_layer = !entry.empty_layer && layer < config.diff_ids.size();
    lines.push_back({&entry, has_layer ? std::optional(layer++) : std::nullopt});
  }
  std::reverse(lines.begin(), lines.end());  // newest first, as Docker shows it
  return lines;
}

/// One line of text: a heredoc's newlines become blanks; the rest is cut unless `whole`.
std::string shown(const std::string& text, bool whole) {
  constexpr std::size_t kWidth = 90;
  std::string result;
  for (const char c : text) {
    const bool blank = c == '\n' || c == '\r' || c == '\t';
    if (!blank || (!result.empty() && result.back() != ' ')) {
      result += blank ? ' ' : c;
    }
  }
  result = printable(result);
  return whole ? result : cut(result, kWidth);
}

}  // namespace

int run_image_history(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Show the steps an image was made by, newest first.", "dlc image history");
  std::string name;
  std::string output = "table";
  bool whole = false;
  app.add_option("IMAGE", name, "a name or digest")->required();
  app.add_option("--output", output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_flag("--no-trunc", whole, "do not shorten commands");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  const auto image = find_image(*store, name);
  auto config = image.config();
  oci::complete_history(config);
  Json list = Json::array();
  Table table({"CREATED", "LAYER", "PACKED", "SIZE", "CREATED BY"});
  for (const auto& [entry, layer] : history_lines(config)) {
    const auto* blob = layer ? &image.manifest().layers.at(*layer) : nullptr;
    const auto size = layer ? layer_size(*store, image, *layer) : std::optional<std::uint64_t>(0);
    list.push_back({{"created", entry->created},
                    {"created_by", entry->created_by},
                    {"comment", entry->comment},
                    {"layer", blob != nullptr ? Json(blob->digest.str()) : Json(nullptr)},
                    {"packed_size", blob != nullptr ? blob->size : 0},
                    {"size", size_json(size)}});
    table.add({entry->created.substr(0, 19), blob != nullptr ? blob->digest.hex().substr(0, 12) : "-",
               blob != nullptr ? format_bytes(blob->size) : "-",
               blob == nullptr ? "-"
               : size          ? format_bytes(*size)
                               : "?",
               shown(entry->created_by.empty() ? entry->comment : entry->created_by, whole)});
  }
  const Json document = {
      {"schema", "dlc.history/1"}, {"digest", image.manifest_digest().str()}, {"history", std::move(list)}};
  print_out(output == "json" ? json_text(document) : table.text());
  return 0;
}

}  // namespace dlc::cli
