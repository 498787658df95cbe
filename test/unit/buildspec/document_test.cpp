#include "buildspec/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::buildspec {
namespace {

using testing::HasSubstr;

struct Parsed {
  std::shared_ptr<const Document> document;
  Diagnostics diagnostics;

  [[nodiscard]] const Use& at(const std::string& path) const {
    const Node* node = document->root();
    const Use* use = nullptr;
    for (std::size_t start = 0; start <= path.size();) {
      const auto dot = std::min(path.find('.', start), path.size());
      use = &node->find(path.substr(start, dot - start))->value;
      node = use->node;
      start = dot + 1;
    }
    return *use;
  }
  [[nodiscard]] std::string text(const std::string& path) const { return document->text(at(path)); }
  [[nodiscard]] std::string keys(const std::string& path) const {
    std::string keys;
    for (const auto& entry : at(path).node->entries) {
      keys += (keys.empty() ? "" : " ") + entry.key + "=" + document->text(entry.value);
    }
    return keys;
  }
};

Parsed parse(const std::string& text, const Environment& environment = {}) {
  Parsed parsed;
  parsed.document = Document::parse("x/buildspec.yml", text, environment, parsed.diagnostics);
  return parsed;
}

std::string only_error(const std::string& text) {
  const auto parsed = parse(text);
  if (parsed.diagnostics.errors() != 1) {
    return std::to_string(parsed.diagnostics.errors()) + " errors";
  }
  const auto& diagnostic = parsed.diagnostics.all().front();
  return std::to_string(diagnostic.where.line) + ":" + std::to_string(diagnostic.where.column) + " " +
         diagnostic.message;
}

TEST(Document, AliasMeansTheLatestDefinitionAbove) {
  const auto parsed = parse("a: &X 1\nb: *X\nc: {d: &X 2}\ne: *X\nf: !join [*X, &X y, *X]\n");
  EXPECT_EQ(parsed.text("b"), "1");
  EXPECT_EQ(parsed.text("e"), "2");
  EXPECT_EQ(parsed.text("f"), "2yy");
  EXPECT_EQ(parsed.document->definitions("X").size(), 3U);
  EXPECT_TRUE(parsed.document->definitions("Y").empty());
}

TEST(Document, JoinTakesTextsOfValues) {
  const auto parsed = parse(
      "f: &F 1.10\nt: &T true\nj: &J !join [a, b]\n"
      "x: !join [*F, 1.10, \"1.10\", *T, true, null, 0x10, *J, !join [c, 'd']]\nempty: !join []\nblock: !join\n  - a\n "
      " - b\n");
  EXPECT_EQ(parsed.text("x"), "1.11.11.101TrueNone16abcd");
  EXPECT_EQ(parsed.text("empty"), "");
  EXPECT_EQ(parsed.text("block"), "ab");
}

TEST(Document, MergeKeepsOwnKeysFirst) {
  const auto parsed = parse(
      "m: &M {k1: a1, k2: a2}\nn: &N {k2: b2, k3: b3, k1: b1}\n"
      "last: {z: 1, k2: own, <<: *M}\nlist: {<<: [*M, *N], q: 1}\ntwice:\n  <<: *M\n  <<: *N\n  z: 1\nquoted: {\"<<\": "
      "x}\n");
  EXPECT_EQ(parsed.keys("last"), "z=1 k2=own k1=a1");
  EXPECT_EQ(parsed.keys("list"), "q=1 k1=a1 k2=a2 k3=b3");
  EXPECT_EQ(parsed.keys("twice"), "z=1 k1=a1 k2=a2");
  EXPECT_EQ(parsed.at("twice").node->duplicates.size(), 1U);
  EXPECT_EQ(parsed.keys("quoted"), "<<=x");
  EXPECT_EQ(parsed.at("last").node->find("k1")->via.size(), 1U);
  EXPECT_TRUE(parsed.at("last").node->find("k2")->via.empty());
}

TEST(Document, FirstOfRepeatedKeysCounts) {
  const auto parsed = parse("a: 1\nb: &B x\na: 2\nb: &B y\nc: *B\n");
  EXPECT_EQ(parsed.text("a"), "1");
  EXPECT_EQ(parsed.text("c"), "y");
  EXPECT_EQ(parsed.document->root()->duplicates.size(), 2U);
}

TEST(Document, EnvironmentReplacesStringsFloatsAndBooleans) {
  const Environment environment{{"S", "es"}, {"F", "ef"}, {"B", "eb"}, {"I", "ei"}, {"N", "en"},
                                {"D", "ed"}, {"J", "ej"}, {"L", "el"}, {"M", "em"}};
  const auto parsed = parse(
      "s: &S x\nf: &F 1.5\nb: &B false\ni: &I 5\nn: &N\nd: &D 2020-01-02\nj: &J !join [a]\nl:\n  - &L v\n  - {k: &M "
      "w}\n"
      "all: !join [*S, *F, *B, *I, *N, *D, *J, *L]\nuse: *L\n",
      environment);
  EXPECT_EQ(parsed.text("s"), "es");
  EXPECT_EQ(parsed.text("f"), "ef");
  EXPECT_EQ(parsed.document->kind(parsed.at("f")), Kind::string);
  EXPECT_EQ(parsed.text("b"), "eb");
  EXPECT_EQ(parsed.text("i"), "5");
  EXPECT_EQ(parsed.text("n"), "None");
  EXPECT_EQ(parsed.text("d"), "2020-01-02");
  EXPECT_EQ(parsed.text("j"), "ej");
  EXPECT_EQ(parsed.text("all"), "esefeb5None2020-01-02ejel");
  EXPECT_EQ(parsed.text("use"), "el");
  const auto& list = parsed.at("l").node->items;
  EXPECT_EQ(parsed.document->text(list[0]), "v");
  EXPECT_EQ(parsed.document->text(list[1].node->find("k")->value), "w");
}

TEST(Document, KnowsWhereValuesStand) {
  const auto parsed =
      parse("# \xC3\xA4\nversion: &VERSION 1.9.1 # c\ntag: &T !join [*VERSION]\nb: &X\n  k: v\n\xC3\xA4\xC3\xB6: *X\n");
  EXPECT_EQ(parsed.at("version").at.column, 19);
  EXPECT_EQ(parsed.at("version").at.width, 5);
  EXPECT_EQ(parsed.at("version").node->anchor_at.column, 10);
  EXPECT_EQ(parsed.at("tag").at.column, 9);
  EXPECT_EQ(parsed.at("tag").node->items[0].at.column, 16);
  EXPECT_TRUE(parsed.at("tag").node->items[0].aliased);
  EXPECT_EQ(parsed.at("b").at.line, 4);
  EXPECT_EQ(parsed.at("\xC3\xA4\xC3\xB6").at.column, 5);
  EXPECT_EQ(parsed.document->line(2), "version: &VERSION 1.9.1 # c");
  EXPECT_EQ(parsed.document->line(0), "");
  EXPECT_EQ(parsed.document->line(99), "");
}

TEST(Document, WindowsLineEndsCount) {
  const auto parsed = parse("a: 1\r\nb: *NO\r\n");
  ASSERT_EQ(parsed.diagnostics.errors(), 1);
  EXPECT_EQ(parsed.diagnostics.all()[0].where.line, 2);
  EXPECT_EQ(parsed.diagnostics.all()[0].line, "b: *NO");
}

TEST(Document, YamlsOwnTags) {
  const auto parsed = parse(
      "a: !!str 1.10\nb: !!float 3\nc: !!int 0x10\nd: !!bool true\ne: !!null ~\nf: !!timestamp 2020-01-02\ng: !other "
      "x\n");
  EXPECT_EQ(parsed.text("a"), "1.10");
  EXPECT_EQ(parsed.text("b"), "3.0");
  EXPECT_EQ(parsed.text("c"), "16");
  EXPECT_EQ(parsed.text("d"), "True");
  EXPECT_EQ(parsed.document->kind(parsed.at("e")), Kind::null);
  EXPECT_EQ(parsed.document->kind(parsed.at("f")), Kind::date);
  EXPECT_EQ(parsed.at("g").node->tag, "!other");
  EXPECT_EQ(parsed.diagnostics.errors(), 0);
}

TEST(Document, ErrorsNameTheirPlace) {
  EXPECT_EQ(only_error(""), "1:1 the file holds no data");
  EXPECT_EQ(only_error("a: *X\n"), "1:4 alias *X has no anchor above this line");
  EXPECT_EQ(only_error("a: &X [*X]\n"), "1:8 alias *X stands inside the value it names");
  EXPECT_EQ(only_error("a: !join x\n"), "1:4 !join needs a list");
  EXPECT_EQ(only_error("a: !join {b: c}\n"), "1:4 !join needs a list");
  EXPECT_EQ(only_error("a: !join [[b]]\n"), "1:11 !join can't take a list");
  EXPECT_EQ(only_error("a: !join [!t b]\n"), "1:11 unknown tag !t");
  EXPECT_EQ(only_error("a: {<<: b}\n"), "1:9 << merges a map, but this is text");
  EXPECT_EQ(only_error("? {a: b}\n: c\n"), "1:3 a key can't be a map");
  EXPECT_EQ(only_error("a: 2020-02-30\n"), "1:4 no such date");
  EXPECT_EQ(only_error("a: !!int x\n"), "1:4 the value does not fit its tag !!int");
  EXPECT_EQ(only_error("a: b\n---\nc: d\n"), "2:1 a second document in one file");
  EXPECT_EQ(only_error("a: [1\n"), "1:4 the list that begins here is not closed");
  EXPECT_EQ(only_error("a: \"x\n"), "1:4 the quote that begins here is not closed");
  EXPECT_EQ(only_error("a: b: c\n"), "1:5 a second `: ` on this line, or a wrong indentation above");
  EXPECT_EQ(only_error("a:\n\tb: c\n"), "2:1 a tab can't indent");
  EXPECT_EQ(only_error("a: \xFF\n"), "1:4 a byte that is no UTF-8 text (invalid leading UTF-8 octet)");
  EXPECT_THAT(only_error("%YAML 3.0\n---\na: b\n"), HasSubstr("unknown YAML version"));
}

TEST(Document, ManyErrorsAreReportedInOrder) {
  const auto parsed = parse("a: *X\nb: !join y\nc: *Z\n");
  ASSERT_EQ(parsed.diagnostics.errors(), 3);
  EXPECT_EQ(parsed.diagnostics.all()[0].where.line, 1);
  EXPECT_EQ(parsed.diagnostics.all()[1].where.line, 2);
  EXPECT_EQ(parsed.diagnostics.all()[2].where.line, 3);
}

TEST(Document, UnknownAliasGetsTheNearestName) {
  const auto parsed = parse("a: &REPOSITORY x\nb: *REPOSITRY\nc: *LATER\nd: &LATER y\n");
  ASSERT_EQ(parsed.diagnostics.errors(), 2);
  EXPECT_EQ(parsed.diagnostics.all()[0].hint, "did you mean *REPOSITORY (line 1)?");
  EXPECT_EQ(parsed.diagnostics.all()[1].hint, "&LATER stands below, in line 4; move it up");
}

TEST(Document, LimitsStopHostileInput) {
  EXPECT_THAT(only_error("a: " + std::string(100, '[')), HasSubstr("levels deep"));
  std::string many = "a: [";
  for (std::size_t i = 0; i < kMaxNodes; ++i) {
    many += "x,";
  }
  EXPECT_THAT(only_error(many + "x]\n"), HasSubstr("values in one file"));
  std::string join = "a: &A0 !join [" + std::string(100, 'x') + "]\n";
  for (int i = 1; i < 12; ++i) {
    join += "k" + std::to_string(i) + ": &A" + std::to_string(i) + " !join [";
    for (int j = 0; j < 10; ++j) {
      join += "*A" + std::to_string(i - 1) + ",";
    }
    join += "]\n";
  }
  EXPECT_THAT(only_error(join), HasSubstr("longer than 4 MiB"));
  std::string merge = "m0: &M0 {a: b}\n";
  for (int i = 1; i < 3000; ++i) {
    merge += "m" + std::to_string(i) + ": &M" + std::to_string(i) + " {<<: *M" + std::to_string(i - 1) + ", k" +
             std::to_string(i) + ": x}\n";
  }
  EXPECT_THAT(only_error(merge), HasSubstr("merges of this file are too large"));
}

TEST(Document, ALongLineIsNotQuoted) {
  const auto parsed = parse("a: " + std::string(600, 'x') + "\nb: {c: *NO, d: " + std::string(600, 'y') + "}\n");
  ASSERT_EQ(parsed.diagnostics.errors(), 1);
  EXPECT_EQ(parsed.diagnostics.all()[0].line, "");
}

TEST(Document, AHundredUnknownAliasesDoNotFloodTheScreen) {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += "k" + std::to_string(i) + ": *N" + std::to_string(i) + "\n";
  }
  EXPECT_LE(parse(text).diagnostics.errors(), 200);
}

}  // namespace
}  // namespace dlc::buildspec
