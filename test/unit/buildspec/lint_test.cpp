#include "buildspec/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "repository.h"

namespace dlc::buildspec {
namespace {

using testing::HasSubstr;

class Lint : public testing::Test {
 protected:
  Lint() { repository.file("mxnet/training/docker/1.9.1/py3/Dockerfile.cpu", "FROM scratch\n"); }

  /// "rule:line rule:line" of the findings, notes in parentheses.
  std::string of(const std::string& text) {
    repository.file("mxnet/buildspec.yml", text);
    found = Diagnostics();
    lint(repository.options, found);
    std::string rules;
    for (const auto& diagnostic : found.all()) {
      auto rule = (diagnostic.rule.empty() ? "invalid" : diagnostic.rule) + ":" + std::to_string(diagnostic.where.line);
      rule = diagnostic.severity == Severity::note ? "(" + rule + ")" : rule;
      rules += (rules.empty() ? "" : " ") + rule;
    }
    return rules;
  }
  std::string with(const std::string& more, const std::string& top = {}) {
    return of(head() + top + "images:\n" + image("A", kFlag, more));
  }

  Repository repository;
  Diagnostics found;
};

TEST_F(Lint, CleanFile) {
  EXPECT_EQ(with(""), "");
}

TEST_F(Lint, NestedImages) {
  const std::string inner = "B:\n      build: true\n      docker_file: x\n      tag: y\n";
  EXPECT_EQ(with("    " + inner), "nested-image:19");
  EXPECT_EQ(found.errors(), 1);
  EXPECT_EQ(with("    context:\n      " + std::string("B: {docker_file: x, tag: y}\n")), "nested-image:20");
  EXPECT_EQ(of(head() + "images:\n" + image("A", kFlag) + inner), "nested-image:19");
}

TEST_F(Lint, Placeholders) {
  auto text = head() + "images:\n" + image("A", kFlag);
  text.replace(text.find("\"123456789012\""), 14, "<set-$ACCOUNT_ID-in-environment>");
  EXPECT_EQ(of(text), "unset-placeholder:1");
  repository.options.environment["ACCOUNT_ID"] = "1";
  EXPECT_EQ(of(text), "");
}

TEST_F(Lint, NumbersAsVersions) {
  EXPECT_EQ(with("", "short_version: 1.10\n"), "float-version:10");
  EXPECT_EQ(with("", "short_version: 1.1\n"), "(float-version:10)");
  EXPECT_EQ(with("", "short_version: \"1.10\"\n"), "");
  EXPECT_EQ(with("", "short_version: &S 010\nos_version: !join [*S, 2.50, 7]\n"), "float-version:10 float-version:11");
}

TEST_F(Lint, SharedVariables) {
  const auto text = head() + "images:\n" + image("A", "true", "    cuda_version: &CUDA cu100\n") +
                    image("B", "true", "    cuda_version: &CUDA cu101\n    base_image_name: A\n");
  EXPECT_THAT(of(text), HasSubstr("(shared-variable:19)"));
  repository.options.environment["CUDA"] = "cu112";
  EXPECT_THAT(of(text), testing::StartsWith("shared-variable:19"));
  EXPECT_THAT(of(text), HasSubstr("duplicate-reference:20"));
}

TEST_F(Lint, BuildFlags) {
  const auto flag = [&](const std::string& value) { return of(head() + "images:\n" + image("A", value)); };
  EXPECT_EQ(flag("true"), "");
  EXPECT_EQ(flag("false"), "");
  EXPECT_EQ(flag("\"true\""), "");
  EXPECT_EQ(flag("\"True\""), "dead-build-flag:13");
  EXPECT_EQ(flag("1"), "dead-build-flag:13");
  EXPECT_EQ(flag("&MXNET_CPU_TRAIN_PY3 false"), "dead-build-flag:13");
  EXPECT_EQ(found.all()[0].hint, "did you mean &MXNET_CPU_TRAINING_PY3?");
  EXPECT_EQ(flag("&SOMETHING false"), "dead-build-flag:13");
  EXPECT_EQ(flag("&MXNET_CPU_TRAINING_PY false"), "dead-build-flag:13");
  EXPECT_EQ(found.all().at(0).hint, "did you mean &MXNET_CPU_TRAINING_PY3?") << "the image's own, not ..._PY2";
  EXPECT_EQ(flag("&MXNET_GPU_TRAINING_PY3 false"), "flag-mismatch:13");
}

TEST_F(Lint, Files) {
  repository.file("mxnet/training/artifacts/used.py", "");
  repository.file("mxnet/training/artifacts/idle.py", "");
  repository.file("mxnet/training/docker/1.8.0/py3/Dockerfile.cpu", "");
  repository.file("mxnet/training/docker/1.8.0/py3/Dockerfile.cpu.json", "");
  repository.file("mxnet/training/scripts/run.sh", "");
  EXPECT_EQ(
      with("    context: {u: {source: artifacts/used.py, target: u}, m: {source: artifacts/gone.py, target: m}}\n"),
      "missing-artifact:19 unused-artifact:0 unused-dockerfile:0");
  EXPECT_EQ(found.errors(), 1);
  EXPECT_EQ(with("    context: {u: {source: artifacts, target: u}, s: {source: scripts/run.sh, target: s}}\n"),
            "unused-dockerfile:0");
  repository.file("mxnet/buildspec-old.yml",
                  head() + "images:\n" + image("Old", "false", "    version: 1.9.1\n    docker_file: x\n"));
  repository.options.buildspecs = {"mxnet/buildspec.yml"};
  EXPECT_EQ(with("    context: {u: {source: artifacts, target: u}}\n"), "unused-dockerfile:0");
}

TEST_F(Lint, NothingOutsideOfTheRepositoryIsRead) {
  auto text = head() + "images:\n" + image("A", kFlag);
  text.replace(text.find("!join [*FRAMEWORK, \"/\", *TRAINING_IMAGE_TYPE]"), 45, "/");
  EXPECT_THAT(of(text), testing::Not(HasSubstr("unused")));
}

TEST_F(Lint, Keys) {
  EXPECT_EQ(with("    docker_fle: x\n"), "unknown-key:19");
  EXPECT_EQ(found.all()[0].hint, "did you mean docker_file?");
  EXPECT_EQ(with("    anything: &CARRIER x\n"), "");
  EXPECT_EQ(with("", "verson: x\n"), "unknown-key:10");
  EXPECT_EQ(with("    context: {a: {source: docker, target: b, mode: 7}}\n"), "unknown-key:19");
  EXPECT_EQ(with("    context: {a: {source: b}}\n"), "incomplete-context:19");
  EXPECT_EQ(with("    context: {a: {b: {c: {target: b}}}}\n"), "incomplete-context:19");
  EXPECT_EQ(with("    image_size_baseline: 1\n"), "duplicate-key:19");
  EXPECT_EQ(with("    <<: *TRAINING_REPOSITORY\n"), "duplicate-key:19");
  EXPECT_EQ(with("", "short_version: !env X\n"), "unknown-tag:10");
}

TEST_F(Lint, ErrorsOfTheFileAreFindings) {
  EXPECT_EQ(with("    target: *NO\n"), "invalid:19");
  EXPECT_EQ(of("a: [\n"), "invalid:2");
  EXPECT_EQ(of("- a\n"), "invalid:1");
  EXPECT_EQ(of(head() + "images: x\n"), "invalid:10");
}

TEST_F(Lint, KeysOfTheOriginalThatAreNotDoneAreNamed) {
  EXPECT_EQ(with("", "skip_build: \"False\"\nautopatch_build: \"True\"\n"), "other-image:11");
  EXPECT_THAT(found.all()[0].message, HasSubstr("`autopatch_build` is not done"));
  EXPECT_THAT(found.all()[0].hint, HasSubstr("does not patch the released one"));
  EXPECT_EQ(with("    skip_build: true\n    enable_test_promotion: false\n"), "other-image:19 (no-effect:20)");
  Diagnostics shown;
  add_warnings(resolve(repository.options, shown), repository.options.environment, shown);
  ASSERT_EQ(shown.all().size(), 1U);
  EXPECT_EQ(shown.all()[0].rule, "other-image");
}

TEST_F(Lint, Outputs) {
  with("    docker_fle: x\n    target: *NO\n");
  const auto json = to_json(found);
  EXPECT_THAT(json, HasSubstr("\"rule\": \"unknown-key\""));
  EXPECT_THAT(json, HasSubstr("\"errors\": 1"));
  const auto sarif = to_sarif(found, "1.2.3");
  EXPECT_THAT(sarif, HasSubstr("\"version\": \"2.1.0\""));
  EXPECT_THAT(sarif, HasSubstr("\"ruleId\": \"invalid\""));
  EXPECT_THAT(sarif, HasSubstr("\"level\": \"warning\""));
  EXPECT_THAT(sarif, HasSubstr("\"startLine\": 19"));
}

TEST_F(Lint, EveryRuleHasASummaryAndANameOfItsOwn) {
  std::set<std::string> names;
  for (const auto& rule : lint_rules()) {
    EXPECT_TRUE(names.insert(rule.name).second);
    EXPECT_NE(std::string(rule.summary), "");
  }
}

}  // namespace
}  // namespace dlc::buildspec
