#include <algorithm>
#include <nlohmann/json.hpp>

#include "buildspec/lint.h"

namespace dlc::buildspec {

namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "error";
}

std::string dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string rule_of(const Diagnostic& diagnostic) {
  return diagnostic.rule.empty() ? "invalid" : diagnostic.rule;
}

Json sarif_result(const Diagnostic& diagnostic) {
  const int line = std::max(1, diagnostic.where.line);
  const int column = std::max(1, diagnostic.where.column);
  Json region{{"startLine", line}, {"startColumn", column}, {"endColumn", column + diagnostic.width}};
  std::string text = diagnostic.message;
  if (!diagnostic.hint.empty()) {
    text += " (" + diagnostic.hint + ")";
  }
  Json location;
  location["physicalLocation"]["artifactLocation"]["uri"] = diagnostic.where.file;
  location["physicalLocation"]["region"] = std::move(region);
  Json result;
  result["ruleId"] = rule_of(diagnostic);
  result["level"] = name_of(diagnostic.severity);
  result["message"]["text"] = std::move(text);
  result["locations"] = Json::array({std::move(location)});
  return result;
}

}  // namespace

std::string to_json(const Diagnostics& diagnostics) {
  Json json;
  json["schema"] = 1;
  json["errors"] = diagnostics.errors();
  json["warnings"] = diagnostics.warnings();
  json["findings"] = Json::array();
  for (const auto& diagnostic : diagnostics.all()) {
    json["findings"].push_back({{"rule", rule_of(diagnostic)},
                                {"severity", name_of(diagnostic.severity)},
                                {"file", diagnostic.where.file},
                                {"line", diagnostic.where.line},
                                {"column", diagnostic.where.column},
                                {"message", diagnostic.message},
                                {"hint", diagnostic.hint}});
  }
  return dump(json);
}

std::string to_sarif(const Diagnostics& diagnostics, std::string_view program_version) {
  Json driver{{"name", "dlc lint"}, {"version", program_version}};
  driver["rules"] = Json::array();
  for (const auto& rule : lint_rules()) {
    driver["rules"].push_back({{"id", rule.name}, {"shortDescription", {{"text", rule.summary}}}});
  }
  Json run;
  run["tool"]["driver"] = std::move(driver);
  run["columnKind"] = "unicodeCodePoints";
  run["results"] = Json::array();
  for (const auto& diagnostic : diagnostics.all()) {
    run["results"].push_back(sarif_result(diagnostic));
  }
  Json json;
  json["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json";
  json["version"] = "2.1.0";
  json["runs"] = Json::array({std::move(run)});
  return dump(json);
}

}  // namespace dlc::buildspec
