#include "base/sarif.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace dlc {

namespace {

using Json = nlohmann::ordered_json;

/// A path as a relative reference of RFC 3986. A colon of the first part would end a scheme, so it is encoded too.
std::string uri_of(std::string_view path) {
  constexpr std::string_view kPlain = "-._~!$&'()*+,;=@/";
  std::string uri;
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool plain = letter || kPlain.find(c) != std::string_view::npos || (c == ':' && uri.find('/') != uri.npos);
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

Json result_json(const SarifResult& result) {
  Json json;
  json["ruleId"] = result.rule;
  json["level"] = name_of(result.severity);
  json["message"]["text"] = result.text;
  if (!result.file.empty()) {
    Json location;
    location["physicalLocation"]["artifactLocation"]["uri"] = uri_of(result.file);
    if (result.line > 0) {
      const int column = std::max(1, result.column);
      location["physicalLocation"]["region"] = {
          {"startLine", result.line}, {"startColumn", column}, {"endColumn", column + result.width}};
    }
    json["locations"] = Json::array({std::move(location)});
  }
  if (!result.suppressed.empty()) {
    json["suppressions"] = Json::array({{{"kind", "external"}, {"justification", result.suppressed}}});
  }
  return json;
}

}  // namespace

std::string to_sarif(std::string_view tool, std::string_view version, const std::vector<SarifRule>& rules,
                     const std::vector<SarifResult>& results) {
  Json driver{{"name", tool}, {"version", version}};
  driver["rules"] = Json::array();
  for (const auto& rule : rules) {
    driver["rules"].push_back({{"id", rule.id}, {"shortDescription", {{"text", rule.summary}}}});
  }
  Json run;
  run["tool"]["driver"] = std::move(driver);
  run["columnKind"] = "unicodeCodePoints";
  run["results"] = Json::array();
  for (const auto& result : results) {
    run["results"].push_back(result_json(result));
  }
  Json json;
  json["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json";
  json["version"] = "2.1.0";
  json["runs"] = Json::array({std::move(run)});
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dlc
