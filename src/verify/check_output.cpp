#include "verify/check_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "base/sarif.h"
#include "contents/text_lines.h"

namespace dlc::verify {

namespace {

using Json = nlohmann::ordered_json;

const ImageRule& rule_of(const Finding& finding) {
  return *std::ranges::find_if(image_rules(), [&](const auto& rule) { return finding.rule == rule.id; });
}

std::string mib(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(1U << 20));
}

std::string finding_text(const Finding& finding) {
  return "    " + printable(finding.path) + (finding.path.empty() ? "" : ": ") + printable(finding.message) + "\n" +
         (finding.allowed.empty() ? "" : "      allowed: " + printable(finding.allowed) + "\n");
}

std::string counted(std::size_t number, const char* noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string size_text(const CheckedImage& image) {
  auto text = fmt::format("  size {}\n", mib(image.bytes));
  auto layers = image.layers;
  std::ranges::stable_sort(layers, std::greater<>{}, &LayerSize::bytes);
  layers.resize(std::min<std::size_t>(layers.size(), 5));
  for (const auto& layer : layers) {
    auto step = layer.made_by.substr(0, layer.made_by.find('\n'));
    step.resize(std::min<std::size_t>(step.size(), 70));
    text += fmt::format("    {:>11}  layer {}  {}\n", mib(layer.bytes), layer.number, printable(step));
  }
  for (const auto& place : image.paths) {
    text += fmt::format("    {:>11}  {}\n", mib(place.bytes), printable(place.path));
  }
  for (const auto& package : image.packages) {
    text += fmt::format("    {:>11}  {}\n", mib(package.bytes), printable(package.path));
  }
  if (image.growth) {
    const auto bytes = image.growth->bytes;
    text += fmt::format("  against {}: {}{}\n", image.against, bytes < 0 ? "-" : "+",
                        mib(static_cast<std::uint64_t>(bytes < 0 ? -bytes : bytes)));
    for (const auto& place : image.growth->paths) {
      text += fmt::format("    {:>11}  {}\n", "+" + mib(place.bytes), printable(place.path));
    }
  }
  return text;
}

Json places_json(const std::vector<PathSize>& places, const char* name) {
  auto json = Json::array();
  for (const auto& place : places) {
    json.push_back({{name, place.path}, {"bytes", place.bytes}});
  }
  return json;
}

Json image_json(const CheckedImage& image) {
  Json json{{"name", image.name},
            {"digest", image.digest},
            {"errors", image.count(Severity::error)},
            {"warnings", image.count(Severity::warning)},
            {"allowed", image.allowed()}};
  json["findings"] = Json::array();
  for (const auto& finding : image.findings) {
    json["findings"].push_back({{"rule", finding.rule},
                                {"name", rule_of(finding).name},
                                {"severity", name_of(finding.severity)},
                                {"path", finding.path.empty() ? Json(nullptr) : Json(finding.path)},
                                {"message", finding.message},
                                {"allowed", finding.allowed.empty() ? Json(nullptr) : Json(finding.allowed)}});
  }
  json["size"] = image.bytes;
  json["layers"] = Json::array();
  for (const auto& layer : image.layers) {
    json["layers"].push_back({{"number", layer.number}, {"bytes", layer.bytes}, {"created_by", layer.made_by}});
  }
  json["largest_paths"] = places_json(image.paths, "path");
  json["largest_packages"] = places_json(image.packages, "package");
  json["growth"] = image.growth ? Json{{"against", image.against},
                                       {"bytes", image.growth->bytes},
                                       {"paths", places_json(image.growth->paths, "path")}}
                                : Json(nullptr);
  return json;
}

}  // namespace

std::size_t CheckedImage::count(Severity severity) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      findings, [&](const auto& finding) { return finding.severity == severity && finding.allowed.empty(); }));
}

std::size_t CheckedImage::allowed() const {
  return findings.size() - count(Severity::error) - count(Severity::warning);
}

std::string check_text(const CheckedImage& image, std::size_t most, bool sizes) {
  std::string text = image.name + "\n";
  for (auto at = image.findings.begin(); at != image.findings.end();) {
    const auto end = std::find_if(at, image.findings.end(), [&](const auto& other) { return other.rule != at->rule; });
    const auto& rule = rule_of(*at);
    text += fmt::format("  {} {} {}: {}\n", rule.id, name_of(rule.severity), rule.name, rule.title);
    // An exception is printed whatever the limit: it is there to be seen.
    std::size_t shown = 0;
    std::size_t hidden = 0;
    for (; at != end; ++at) {
      const bool counts = at->allowed.empty();
      if (counts && most > 0 && shown >= most) {
        ++hidden;
        continue;
      }
      shown += counts ? 1 : 0;
      text += finding_text(*at);
    }
    text += hidden > 0 ? fmt::format("    … and {} more (--limit 0 shows all)\n", hidden) : "";
  }
  text += sizes ? size_text(image) : "";
  return text + fmt::format("  {}, {}, {} allowed; {}\n", counted(image.count(Severity::error), "error"),
                            counted(image.count(Severity::warning), "warning"), image.allowed(), mib(image.bytes));
}

std::string check_json(const std::vector<CheckedImage>& images) {
  Json json{{"schema", "dlc.image-check/1"}};
  json["images"] = Json::array();
  for (const auto& image : images) {
    json["images"].push_back(image_json(image));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string check_sarif(const std::vector<CheckedImage>& images, std::string_view program_version) {
  std::vector<SarifRule> rules;
  for (const auto& rule : image_rules()) {
    rules.push_back({rule.id, rule.title});
  }
  std::vector<SarifResult> results;
  for (const auto& image : images) {
    for (const auto& finding : image.findings) {
      results.push_back(
          {.rule = finding.rule,
           .severity = finding.severity,
           .text = image.name + ": " + finding.path + (finding.path.empty() ? "" : ": ") + finding.message,
           .file = finding.path.empty() ? "" : finding.path.substr(1),
           .suppressed = finding.allowed});
    }
  }
  return to_sarif("dlc image check", program_version, rules, results);
}

std::vector<PathSize> largest_packages(const Subject& subject, std::size_t most) {
  std::vector<PathSize> packages;
  const auto add = [&](std::string name, const std::vector<std::string>& files) {
    std::uint64_t bytes = 0;
    for (const auto& path : files) {
      const auto* node = subject.tree.find(path);
      bytes += node != nullptr && node->entry.type == 'f' ? node->entry.size : 0;
    }
    packages.push_back({std::move(name), bytes, 0});
  };
  for (const auto& package : subject.python) {
    add(fmt::format("python {} {}", package.name, package.version), package.files);
  }
  for (const auto& package : subject.debian) {
    for (const auto& list : {package.name + ".list", package.name + ":" + package.architecture + ".list"}) {
      if (const auto text = subject.tree.read("var/lib/dpkg/info/" + list)) {
        std::vector<std::string> files;
        for (const auto line : contents::lines_of(std::string_view(*text))) {
          files.push_back(subject.tree.resolve(line).value_or(""));
        }
        add(fmt::format("debian {} {}", package.name, package.version), files);
      }
    }
  }
  std::ranges::stable_sort(packages, std::greater<>{}, &PathSize::bytes);
  packages.resize(std::min(packages.size(), most));
  return packages;
}

}  // namespace dlc::verify
