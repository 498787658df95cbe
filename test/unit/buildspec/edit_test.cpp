#include "buildspec/edit.h"

#include <gtest/gtest.h>

#include "repository.h"

namespace dlc::buildspec {
namespace {

std::shared_ptr<const Document> read(const std::string& text) {
  Diagnostics diagnostics;
  auto document = Document::parse("buildspec.yml", text, {}, diagnostics);
  EXPECT_EQ(diagnostics.errors(), 0);
  return document;
}

std::string with_version(const std::string& text, const std::string& version) {
  const auto document = read(text);
  return replace_scalar(*document, *document->root()->find("version")->value.node, version);
}

TEST(BuildspecEdit, OnlyTheScalarChanges) {
  EXPECT_EQ(with_version("a: b # c\nversion:   &VERSION 1.9.1   # why\nx: *VERSION\n", "1.9.2"),
            "a: b # c\nversion:   &VERSION 1.9.2   # why\nx: *VERSION\n");
  EXPECT_EQ(with_version("version: &V '1.9.1'\n", "1.9.2"), "version: &V '1.9.2'\n");
  EXPECT_EQ(with_version("version: &V \"1.9.1\" # c\n", "1.10"), "version: &V \"1.10\" # c\n");
}

TEST(BuildspecEdit, AByteOrderMarkStays) {
  EXPECT_EQ(with_version("\xef\xbb\xbfversion: &V 1.9.1\n", "1.9.2"), "\xef\xbb\xbfversion: &V 1.9.2\n");
  EXPECT_EQ(with_version("\xef\xbb\xbf# \xc3\xa4\nversion: &V 1.9.1\n", "1.9.2"),
            "\xef\xbb\xbf# \xc3\xa4\nversion: &V 1.9.2\n");
}

TEST(BuildspecEdit, AVersionThatIsANumberIsQuoted) {
  EXPECT_EQ(with_version("version: &V 1.9.1\n", "1.10"), "version: &V \"1.10\"\n");
}

TEST(BuildspecEdit, AScalarOfSeveralLinesIsRefused) {
  EXPECT_THROW(with_version("version: &V |\n  1.9.1\n", "2"), Error);
}

std::string with_entry(const std::string& text, const std::vector<std::string>& path) {
  const auto document = read(text);
  const Node* node = document->root();
  for (const auto& key : path) {
    node = node->find(key)->value.node;
  }
  return add_context_entry(*document, *node, {.key = "tool.py", .source = "../tool.py", .target = "tool.py"});
}

const std::string kEntry = "  tool.py:\n    source: ../tool.py\n    target: tool.py\n";

TEST(BuildspecEdit, AnEntryComesBelowTheLastFile) {
  const std::string head = "context:\n  # first\n  a:\n    source: a\n    target: a # why\n";
  const std::string tail =
      "\n  # for training\n  training_context: &T\n    b:\n      source: b\n      target: b\nimages: {}\n";
  EXPECT_EQ(with_entry(head + tail, {"context"}), head + kEntry + tail);
}

TEST(BuildspecEdit, AHolderGetsItAtItsEnd) {
  const std::string text =
      "context:\n  training_context: &T\n    b:\n      source: b\n      target: b\n  # more\n  c: x\n";
  EXPECT_EQ(with_entry(text, {"context", "training_context"}),
            "context:\n  training_context: &T\n    b:\n      source: b\n      target: b\n    tool.py:\n      source: "
            "../tool.py\n"
            "      target: tool.py\n  # more\n  c: x\n");
}

TEST(BuildspecEdit, AMapThatOnlyMergesGetsIt) {
  const std::string text = "t: &T\n  b:\n    source: b\n    target: b\ncontext:\n  # merged\n  <<: *T\nimages: {}\n";
  EXPECT_EQ(with_entry(text, {"context"}),
            "t: &T\n  b:\n    source: b\n    target: b\ncontext:\n  # merged\n  <<: *T\n" + kEntry + "images: {}\n");
  const std::string tagged = "t: &T\n  b: {}\ncontext: !!map\n  <<: *T\n";
  EXPECT_EQ(with_entry(tagged, {"context"}), tagged + kEntry);
}

TEST(BuildspecEdit, LineEndsAndWidthsAreTheFiles) {
  EXPECT_EQ(
      with_entry("context:\r\n    a:\r\n        source: a\r\n        target: a\r\n", {"context"}),
      "context:\r\n    a:\r\n        source: a\r\n        target: a\r\n    tool.py:\r\n        source: ../tool.py\r\n"
      "        target: tool.py\r\n");
  EXPECT_EQ(with_entry("context:\n  a:\n    source: a\n    target: a", {"context"}),
            "context:\n  a:\n    source: a\n    target: a\n" + kEntry);
  EXPECT_EQ(with_entry("context:\n  a: {source: a, target: a}\n", {"context"}),
            "context:\n  a: {source: a, target: a}\n" + kEntry);
}

TEST(BuildspecEdit, BracesAreRefusedAtTheirPlace) {
  try {
    static_cast<void>(with_entry("context: {a: {source: a, target: a}}\n", {"context"}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where().line, 1);
    EXPECT_EQ(error.where().column, 10);
  }
}

TEST(BuildspecEdit, AContextThatIsMissingIsMade) {
  const ContextEdit entry{.key = "1.10", .source = "a b", .target = "tool.py"};
  const auto file =
      read("version: 1\n\n# all of them\nimages:\n  A:\n    build: true\n  # last\n  B:\n    build: false\n\n# end\n");
  EXPECT_EQ(
      add_context(*file, *file->root(), entry),
      "version: 1\n\ncontext:\n  \"1.10\":\n    source: \"a b\"\n    target: tool.py\n\n# all of them\nimages:\n  A:\n"
      "    build: true\n  # last\n  B:\n    build: false\n\n# end\n");
  EXPECT_EQ(add_context(*file, *file->root()->find("images")->value.node->find("A")->value.node, entry),
            "version: 1\n\n# all of them\nimages:\n  A:\n    build: true\n    context:\n      \"1.10\":\n        "
            "source: \"a b\"\n"
            "        target: tool.py\n  # last\n  B:\n    build: false\n\n# end\n");
}

TEST(BuildspecEdit, ScalarsThatMeanSomethingElseAreQuoted) {
  EXPECT_EQ(yaml_scalar("1.9.1"), "1.9.1");
  EXPECT_EQ(yaml_scalar("1.10"), "\"1.10\"");
  EXPECT_EQ(yaml_scalar("true"), "\"true\"");
  EXPECT_EQ(yaml_scalar("../a/b.py"), "../a/b.py");
  EXPECT_EQ(yaml_scalar("a: \"b\""), "\"a: \\\"b\\\"\"");
  EXPECT_EQ(yaml_scalar(""), "\"\"");
}

}  // namespace
}  // namespace dlc::buildspec
