#include "dockerfile/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::dockerfile {
namespace {

std::vector<std::string> findings(std::string_view text) {
  Diagnostics diagnostics;
  static_cast<void>(parse(text, "Dockerfile", diagnostics));
  std::vector<std::string> rules;
  for (const auto& diagnostic : diagnostics.all()) {
    EXPECT_EQ(diagnostic.severity, Severity::warning);
    rules.push_back(diagnostic.rule + ":" + std::to_string(diagnostic.where.line));
  }
  return rules;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Lint, RulesThatNeedNoVariables) {
  EXPECT_THAT(findings("FROM a AS b\nRUN x\n"), IsEmpty());
  EXPECT_THAT(findings("FROM a AS Build\n"), ElementsAre("StageNameCasing:1"));
  EXPECT_THAT(findings("FROM a as b\n"), ElementsAre("FromAsCasing:1"));
  EXPECT_THAT(findings("from a as b\n"), IsEmpty());
  EXPECT_THAT(findings("FROM a AS scratch\n"), ElementsAre("ReservedStageName:1"));
  EXPECT_THAT(findings("FROM a AS b\nFROM a AS b\n"), ElementsAre("DuplicateStageName:2"));
  EXPECT_THAT(findings("FROM a\nRUN x \\\n\n y\n"), ElementsAre("NoEmptyContinuation:2"));
  EXPECT_THAT(findings("FROM a\nMAINTAINER x\n"), ElementsAre("MaintainerDeprecated:2"));
  EXPECT_THAT(findings("FROM a\nrun x\nRUN y\nRun z\n"),
              ElementsAre("ConsistentInstructionCasing:2", "ConsistentInstructionCasing:4"));
}

TEST(Lint, CanBeSwitchedOff) {
  EXPECT_THAT(findings("# check=skip=all\nFROM a as B\n"), IsEmpty());
  EXPECT_THAT(findings("# check=skip=FromAsCasing\nFROM a as B\n"), ElementsAre("StageNameCasing:2"));
  EXPECT_THAT(findings("FROM a\n# check=skip=MaintainerDeprecated because\nMAINTAINER x\nMAINTAINER y\n"),
              ElementsAre("MaintainerDeprecated:4"));
}

TEST(Lint, ExperimentalRulesAreOffByDefault) {
  const std::string file = "# what this is\nARG A\nFROM a\n";
  EXPECT_THAT(findings("ARG B\n" + file), IsEmpty());
  // A directive is no comment of the first instruction; an empty comment ends what stood above.
  EXPECT_THAT(findings("# check=experimental=all\nARG B\n" + file), ElementsAre("InvalidDefinitionDescription:4"));
  EXPECT_THAT(findings("# check=experimental=all\n# other\n#\nARG B\nFROM a\n"), IsEmpty());
  EXPECT_THAT(findings("# check=experimental=all\n# other\n\nARG B\nFROM a\n"),
              ElementsAre("InvalidDefinitionDescription:4"));
}

TEST(Lint, CheckDirective) {
  const auto check = parse_check(" skip=A, B ; error=true;experimental=all");
  EXPECT_THAT(check.skip, ElementsAre("A", "B"));
  EXPECT_THAT(check.experimental, ElementsAre("all"));
  EXPECT_TRUE(check.error);
  EXPECT_FALSE(parse_check("error=false").error);
  EXPECT_THROW(static_cast<void>(parse_check("what=1")), Error);
  EXPECT_THROW(static_cast<void>(parse_check("error=perhaps")), Error);
  Diagnostics diagnostics;
  EXPECT_THROW(static_cast<void>(parse("# check=x\nFROM a\n", "D", diagnostics)), Error);
}

TEST(Lint, NamesOfSecrets) {
  for (const char* name : {"API_KEY", "password", "GITHUB_TOKEN", "secret_MESSAGE", "AUTH", "apikey"}) {
    EXPECT_TRUE(names_a_secret(name)) << name;
  }
  for (const char* name : {"KEYBOARD", "PUBLIC_KEY", "TOKEN_FILE", "PATH", "author", "KEY_VERSION"}) {
    EXPECT_FALSE(names_a_secret(name)) << name;
  }
}

TEST(Lint, FindingsShowTheLine) {
  Diagnostics diagnostics;
  static_cast<void>(parse("FROM a\n  MAINTAINER x\n", "Dockerfile", diagnostics));
  ASSERT_EQ(diagnostics.all().size(), 1U);
  EXPECT_EQ(diagnostics.all()[0].line, "  MAINTAINER x");
  EXPECT_EQ(diagnostics.all()[0].message, "Maintainer instruction is deprecated in favor of using label");
}

}  // namespace
}  // namespace dlc::dockerfile
