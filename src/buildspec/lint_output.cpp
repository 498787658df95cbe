#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/sarif.h"
#include "buildspec/lint.h"

namespace dlc::buildspec {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string rule_of(const Diagnostic& diagnostic) {
  return diagnostic.rule.empty() ? "invalid" : diagnostic.rule;
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
  std::vector<SarifRule> rules;
  for (const auto& rule : lint_rules()) {
    rules.push_back({rule.name, rule.summary});
  }
  std::vector<SarifResult> results;
  for (const auto& diagnostic : diagnostics.all()) {
    results.push_back({.rule = rule_of(diagnostic),
                       .severity = diagnostic.severity,
                       .text = diagnostic.message + (diagnostic.hint.empty() ? "" : " (" + diagnostic.hint + ")"),
                       .file = diagnostic.where.file,
                       .line = std::max(1, diagnostic.where.line),
                       .column = diagnostic.where.column,
                       .width = diagnostic.width,
                       .suppressed = {}});
  }
  return dlc::to_sarif("dlc lint", program_version, rules, results);
}

}  // namespace dlc::buildspec
