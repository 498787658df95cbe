#include "cli/store_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/image_lookup.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "cli/progress_view.h"
#include "cli/table.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

/// "90", "30m", "12h", "7d": seconds.
std::int64_t parse_duration(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  const std::int64_t factor = unit.empty() || unit == "s" ? 1
                              : unit == "m"               ? 60
                              : unit == "h"               ? 3'600
                              : unit == "d"               ? 86'400
                                                          : 0;
  constexpr std::int64_t kMaxNumber = 100'000'000;
  if (failed != std::errc() || factor == 0 || number < 0 || number > kMaxNumber) {
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is no duration", text)).hint("for example 90s, 30m, 12h or 7d");
  }
  return number * factor;
}

}  // namespace

int run_store_df(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Show what takes how much room in the store.", "dlc store df");
  std::string output = "table";
  app.add_option("--output", output, "table or json")->check(CLI::IsMember({"table", "json"}));
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  const auto usage = store->usage();
  const auto total = usage.blobs + usage.snapshots + usage.indexes + usage.database;
  const auto images = store->records().images().size();
  if (output == "json") {
    print_out(json_text({{"schema", "dlc.usage/1"},
                         {"store", store->directory().string()},
                         {"images", images},
                         {"blobs", usage.blobs},
                         {"snapshots", usage.snapshots},
                         {"indexes", usage.indexes},
                         {"database", usage.database},
                         {"total", total},
                         {"reclaimable", usage.reclaimable}}));
    return 0;
  }
  Table table({"WHAT", "SIZE", ""});
  table.add({"blobs", format_bytes(usage.blobs), "manifests, configs, packed layers"});
  table.add({"snapshots", format_bytes(usage.snapshots), "unpacked layers"});
  table.add({"indexes", format_bytes(usage.indexes), "what is in each layer"});
  table.add({"database", format_bytes(usage.database), "names, results of steps"});
  table.add({"total", format_bytes(total), fmt::format("{} names in {}", images, store->directory().string())});
  table.add({"reclaimable", format_bytes(usage.reclaimable), "dlc store gc --keep 0 removes it"});
  print_out(table.text());
  return 0;
}

int run_store_gc(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Remove what no image and no recently used step needs.", "dlc store gc");
  std::string keep = "7d";
  std::string output = "text";
  bool dry_run = false;
  app.add_option("--keep", keep, "keep what was used within this time (90s, 30m, 12h, 7d)");
  app.add_option("--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--dry-run,-n", dry_run, "only say what would be removed");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto seconds = parse_duration(keep);
  const auto store = open_store(global.store);
  const auto result = store->gc(seconds, dry_run);
  if (output == "json") {
    print_out(json_text({{"schema", "dlc.gc/1"},
                         {"dry_run", dry_run},
                         {"bytes", result.bytes},
                         {"blobs", result.blobs},
                         {"snapshots", result.snapshots}}));
  } else {
    print_out(fmt::format("{} {}: {} blobs, {} snapshots\n", dry_run ? "would free" : "freed",
                          format_bytes(result.bytes), result.blobs, result.snapshots));
  }
  return 0;
}

int run_store_check(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Compare everything in the store with its digest and its records.", "dlc store check");
  std::string output = "text";
  bool quick = false;
  app.add_option("--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--quick", quick, "only look whether everything is there, without reading it");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto store = open_store(global.store);
  const auto findings = store->check(!quick);
  if (output == "json") {
    Json list = Json::array();
    for (const auto& finding : findings) {
      list.push_back({{"what", finding.what}, {"problem", finding.problem}});
    }
    print_out(json_text({{"schema", "dlc.check/1"}, {"findings", std::move(list)}}));
  } else {
    std::string text;
    for (const auto& finding : findings) {
      text += finding.what + ": " + finding.problem + "\n";
    }
    text += findings.empty() ? "the store is sound\n" : fmt::format("{} problems\n", findings.size());
    print_out(text);
  }
  return findings.empty() ? 0 : exit_status(ErrorKind::corrupt);
}

}  // namespace dlc::cli
