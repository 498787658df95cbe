#include "cli/test_environment.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"

namespace dlc::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string value_of(const buildspec::Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

void write_if_changed(const std::filesystem::path& file, const std::string& text) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(file, ignored) && read_file(file) == text) {
    return;
  }
  write_file_atomically(file, text);
}

}  // namespace

std::string test_environment_json(const buildspec::Environment& environment) {
  auto json = Json::array();
  for (const char* name : {"BUILD_CONTEXT", "TEST_TRIGGER"}) {
    if (const auto found = environment.find(name); found != environment.end()) {
      json.push_back({{"name", name}, {"value", found->second}, {"type", "PLAINTEXT"}});
    }
  }
  return json.dump() + "\n";
}

std::string test_images_json(const buildspec::Plan& plan, const std::vector<ImageOutcome>& outcomes) {
  std::set<std::string> built;
  for (const auto& outcome : outcomes) {
    if (outcome.status == ImageStatus::built || outcome.status == ImageStatus::up_to_date) {
      built.insert(buildspec::full_reference(*outcome.image));
    }
  }
  auto json = Json::object();
  for (const auto& [suite, references] : plan.test_images) {
    auto list = Json::array();
    for (const auto& reference : references) {
      if (built.contains(reference)) {
        list.push_back(reference);
      }
    }
    json[suite] = std::move(list);
  }
  return json.dump() + "\n";
}

void write_test_files(const std::filesystem::path& logs, const buildspec::Plan& plan,
                      const std::vector<ImageOutcome>& outcomes, const buildspec::Environment& environment) {
  std::vector<std::filesystem::path> folders{logs};
  if (const auto home = value_of(environment, "HOME"); environment.contains("CODEBUILD_BUILD_ID") && !home.empty()) {
    folders.emplace_back(home);
  }
  for (const auto& folder : folders) {
    std::filesystem::create_directories(folder);
    write_if_changed(folder / "testenv.json", test_environment_json(environment));
    write_if_changed(folder / "test_type_images.json", test_images_json(plan, outcomes));
  }
}

}  // namespace dlc::cli
