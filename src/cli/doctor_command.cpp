#include "cli/doctor_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "cli/doctor_checks.h"
#include "cli/image_lookup.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/print_out.h"
#include "store/store.h"

namespace dlc::cli {

namespace {

using doctor::Finding;
using doctor::Health;

/// A check that fails itself is a finding too, not the end of the others.
void add(std::vector<Finding>& findings, const char* check, const std::function<Finding()>& look) {
  try {
    findings.push_back(look());
  } catch (const Error& error) {
    findings.push_back({check, Health::bad, error.what(), error.hint()});
  }
}

std::vector<Finding> examine(const GlobalOptions& global, bool offline) {
  std::vector<Finding> findings;
  add(findings, "kernel", [] { return judge(doctor::look_at_kernel()); });
  add(findings, "user", [] { return judge(doctor::look_at_users()); });
  add(findings, "runtime", [&] { return judge(doctor::look_at_runtimes(global.runtime)); });
  add(findings, "store", [&] {
    const auto directory =
        global.store.empty() ? store::Store::default_directory() : std::filesystem::path(global.store);
    return judge(doctor::look_at_store(directory));
  });
  add(findings, "memory", [] { return judge(doctor::look_at_memory()); });
  add(findings, "limits", [] { return judge(doctor::look_at_limits()); });
  add(findings, "tools", [] { return judge(doctor::look_at_tools()); });
  if (auto finding = doctor::judge_authorities(doctor::host_authorities())) {
    findings.push_back(std::move(*finding));
  }
  if (!offline) {
    try {
      for (const auto& server : doctor::look_at_servers()) {
        findings.push_back(judge(server));
      }
    } catch (const Error& error) {
      findings.push_back({"network", Health::bad, error.what(), error.hint()});
    }
  }
  return findings;
}

const char* symbol(Health health) {
  switch (health) {
    case Health::good:
      return "✓";
    case Health::warning:
      return "!";
    case Health::bad:
      return "✗";
  }
  return "?";
}

const char* word(Health health) {
  switch (health) {
    case Health::good:
      return "ok";
    case Health::warning:
      return "warning";
    case Health::bad:
      return "error";
  }
  return "unknown";
}

std::string as_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{} {}\n", symbol(finding.health), finding.text);
    if (!finding.remedy.empty()) {
      text += fmt::format("  → {}\n", finding.remedy);
    }
  }
  return text;
}

std::string as_json(const std::vector<Finding>& findings) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"check", finding.check},
                    {"state", word(finding.health)},
                    {"text", finding.text},
                    {"remedy", finding.remedy}});
  }
  const Json json = {{"schema", "dlc.doctor/1"}, {"findings", std::move(list)}};
  return json_text(json);
}

}  // namespace

int run_doctor(std::span<const std::string> arguments, const GlobalOptions& global) {
  CLI::App app("Look whether this machine has what builds need, and say what to do where it has not.", "dlc doctor");
  std::string output = "text";
  bool offline = false;
  app.add_option("--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--offline", offline, "ask no server");
  if (!parse(app, arguments)) {
    return 0;
  }
  const auto findings = examine(global, offline);
  print_out(output == "json" ? as_json(findings) : as_text(findings));
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.health == Health::bad; })
             ? 1
             : 0;
}

}  // namespace dlc::cli
