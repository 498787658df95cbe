#include "dockerfile/word.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/error.h"
#include "dockerfile/syntax.h"

namespace dlc::dockerfile {
namespace {

std::optional<std::string> variable(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kValues{
      {"set", "value"},   {"empty", ""},   {"path", "/a/b/c.tar.gz"}, {"list", "one  two three"},
      {"s", "foobarfoo"}, {"star", "a*b"}, {"GRÜSSE", "日本"}};
  const auto found = kValues.find(name);
  return found == kValues.end() ? std::nullopt : std::optional(found->second);
}

std::string expanded(std::string_view word, const ExpandOptions& options = {}) {
  return expand_word(word, variable, options);
}

std::string failure(std::string_view word) {
  try {
    return "no error: " + expanded(word);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid);
    const auto named = "failed to process " + quote(word) + ": ";
    EXPECT_THAT(e.message(), testing::StartsWith(named));
    return e.message().substr(named.size());
  }
}

struct Case {
  const char* word;
  const char* want;
};

TEST(Word, PlainAndBracedVariables) {
  for (const auto& [word, want] : std::initializer_list<Case>{{"plain", "plain"},
                                                              {"$set", "value"},
                                                              {"${set}", "value"},
                                                              {"a${set}b", "avalueb"},
                                                              {"$setx", ""},
                                                              {"$set.x", "value.x"},
                                                              {"$unset", ""},
                                                              {"x$", "x$"},
                                                              {"$.", "$."},
                                                              {"he$1x", "hex"},
                                                              {"$GRÜSSE!", "日本!"},
                                                              {"$set–x", "value–x"},
                                                              {"$12a", "a"},
                                                              {"$@", ""}}) {
    EXPECT_EQ(expanded(word), want) << word;
  }
}

TEST(Word, Quotes) {
  for (const auto& [word, want] : std::initializer_list<Case>{{"'$set'", "$set"},
                                                              {"\"$set\"", "value"},
                                                              {"\"a'$set'b\"", "a'value'b"},
                                                              {"'a\\'", "a\\"},
                                                              {"\"a\\tb\"", "a\\tb"},
                                                              {"\"a\\\\b\"", "a\\b"},
                                                              {"\"\\$set\"", "$set"},
                                                              {"\"a\\\"b\"", "a\"b"},
                                                              {"a\\tb", "atb"},
                                                              {"\\$set", "$set"},
                                                              {"\\\\$set", "\\value"},
                                                              {"end\\", "end"},
                                                              {"'a'\"b\"c", "abc"}}) {
    EXPECT_EQ(expanded(word), want) << word;
  }
}

TEST(Word, Modifiers) {
  for (const auto& [word, want] : std::initializer_list<Case>{{"${set:-d}", "value"},
                                                              {"${empty:-d}", "d"},
                                                              {"${empty-d}", ""},
                                                              {"${unset-d}", "d"},
                                                              {"${set:+p}", "p"},
                                                              {"${empty:+p}", ""},
                                                              {"${empty+p}", "p"},
                                                              {"${unset+p}", ""},
                                                              {"${+p}", ""},
                                                              {"${set:?m}", "value"},
                                                              {"${empty?m}", ""},
                                                              {"${unset:-${set}}", "value"},
                                                              {"${unset:-\"q w\"}", "q w"},
                                                              {"${unset:-\\${set}z}", "${setz}"},
                                                              {"${set:+a${unset:-b}c}", "abc"}}) {
    EXPECT_EQ(expanded(word), want) << word;
  }
}

TEST(Word, PatternModifiers) {
  for (const auto& [word, want] : std::initializer_list<Case>{{"${path#*/}", "a/b/c.tar.gz"},
                                                              {"${path##*/}", "c.tar.gz"},
                                                              {"${path%.*}", "/a/b/c.tar"},
                                                              {"${path%%.*}", "/a/b/c"},
                                                              {"${path#no}", "/a/b/c.tar.gz"},
                                                              {"${path%no}", "/a/b/c.tar.gz"},
                                                              {"${s/foo/X}", "Xbarfoo"},
                                                              {"${s//foo/X}", "XbarX"},
                                                              {"${s//o/}", "fbarf"},
                                                              {"${s/ba?/Y}", "fooYfoo"},
                                                              {"${s/$empty/w}", "wfoobarfoo"},
                                                              {"${s//$empty/.}", ".f.o.o.b.a.r.f.o.o."},
                                                              {"${s//*/x}", "x"},
                                                              {"${star#a\\*}", "b"},
                                                              {"${path//\\//:}", ":a:b:c.tar.gz"},
                                                              {"${unset#x}", ""},
                                                              {"${unset/x/y}", ""}}) {
    EXPECT_EQ(expanded(word), want) << word;
  }
}

TEST(Word, Errors) {
  EXPECT_EQ(failure("'open"), "unexpected end of statement while looking for matching single-quote");
  EXPECT_EQ(failure("\"open"), "unexpected end of statement while looking for matching double-quote");
  EXPECT_EQ(failure("${}"), "syntax error: bad substitution");
  EXPECT_EQ(failure("${.}"), "unsupported modifier (.) in substitution");
  EXPECT_EQ(failure("${set"), "syntax error: missing '}'");
  EXPECT_EQ(failure("${set:-x"), "syntax error: missing '}'");
  EXPECT_EQ(failure("${set/x"), "syntax error: missing '/' in ${");
  EXPECT_EQ(failure("${set/x/y"), "syntax error: missing '}'");
  EXPECT_EQ(failure("${set:=x}"), "unsupported modifier (:=) in substitution");
  EXPECT_EQ(failure("${set=x}"), "unsupported modifier (=) in substitution");
  EXPECT_EQ(failure("${set:#x}"), "unsupported modifier (:#) in substitution");
  EXPECT_EQ(failure("${unset:?must be set}"), "unset: must be set");
  EXPECT_EQ(failure("${unset?}"), "unset: is not allowed to be unset");
  EXPECT_EQ(failure("${empty:?}"), "empty: is not allowed to be empty");
  EXPECT_THAT(failure("${set#\\x}"), testing::HasSubstr("invalid escape"));
  EXPECT_THAT(failure(std::string(300, 'x') +
                      [] {
                        std::string nested;
                        for (int i = 0; i < 200; ++i) {
                          nested += "${unset:-";
                        }
                        return nested;
                      }()),
              testing::HasSubstr("nested too deeply"));
}

TEST(Word, GrowthHasALimit) {
  const auto failure = [](std::string_view text, const VariableLookup& lookup) -> std::string {
    try {
      static_cast<void>(expand_word(text, lookup));
    } catch (const Error& error) {
      return error.message();
    }
    return {};
  };
  std::string nested = "xxxxxxxxxx";
  for (int i = 0; i < 20; ++i) {
    nested = "${ten//?/" + nested + "}";  // ten times as long each time
  }
  EXPECT_THAT(failure(nested, [](std::string_view) { return std::optional<std::string>("0123456789"); }),
              testing::HasSubstr("more than 1 MiB"));
  EXPECT_THAT(failure("$a$a$a", [](std::string_view) { return std::optional(std::string(6 << 20, 'x')); }),
              testing::HasSubstr("longer than 16 MiB"));
}

// Each of these read the rest of the text for each of its characters: minutes.
TEST(Word, PatternsAreMatchedInOnePass) {
  const std::string text(200'000, 'a');
  const auto expanded = [&text](std::string_view word) {
    return expand_word(word, [&text](std::string_view) { return std::optional(text); });
  };
  EXPECT_EQ(expanded("${v//*a*a*a*b/c}"), text);
  EXPECT_EQ(expanded("${v%%b*a*a}"), text);
  EXPECT_EQ(expanded("${v%b*}"), text);
  EXPECT_EQ(expanded("${v//a*a/c}"), "c");
}

// Whether the pattern (only '*', '?' and characters) takes the whole text, by its definition.
bool takes(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) {
    return text.empty();
  }
  if (pattern[0] == '*') {
    return takes(pattern.substr(1), text) || (!text.empty() && takes(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) && takes(pattern.substr(1), text.substr(1));
}

TEST(Word, SuffixesAreWhatThePatternTakes) {
  std::mt19937 random(7);
  const auto draw = [&random](std::string_view letters, std::size_t most) {
    std::string text(random() % (most + 1), ' ');
    std::generate(text.begin(), text.end(), [&] { return letters[random() % letters.size()]; });
    return text;
  };
  for (int i = 0; i < 5000; ++i) {
    const std::string text = draw("ab", 8);
    const std::string pattern = draw("ab*?", 5);
    std::vector<std::string> kept;  // the longest suffix taken first
    for (std::size_t at = 0; at <= text.size(); ++at) {
      if (takes(pattern, std::string_view(text).substr(at))) {
        kept.push_back(text.substr(0, at));
      }
    }
    const auto lookup = [&text](std::string_view) { return std::optional(text); };
    EXPECT_EQ(expand_word("${v%%" + pattern + "}", lookup), kept.empty() ? text : kept.front())
        << pattern << ' ' << text;
    EXPECT_EQ(expand_word("${v%" + pattern + "}", lookup), kept.empty() ? text : kept.back()) << pattern << ' ' << text;
  }
}

TEST(Word, WordsSplitAtUnquotedBlanksOnly) {
  const auto words = [](std::string_view text) { return expand(text, variable).words; };
  EXPECT_THAT(words("a  b\tc"), testing::ElementsAre("a", "b", "c"));
  EXPECT_THAT(words("x${list}y"), testing::ElementsAre("xone", "two", "threey"));
  EXPECT_THAT(words("x\"${list}\"y"), testing::ElementsAre("xone  two threey"));
  EXPECT_THAT(words("a\\ b"), testing::ElementsAre("a b"));
  EXPECT_THAT(words("$empty"), testing::IsEmpty());
}

TEST(Word, RawFormsKeepWhatQuotes) {
  EXPECT_EQ(expanded("'a' \"$set\"", {.raw_quotes = true}), "'a' \"value\"");
  EXPECT_EQ(expanded("a\\b \"c\\\"d\"", {.raw_quotes = true, .raw_escapes = true}), "a\\b \"c\\\"d\"");
  EXPECT_EQ(expanded("'$set' \"", {.skip_quotes = true}), "'value' \"");
  EXPECT_EQ(expanded("$unset ${unset:-x} ${unset/a/b} $set", {.skip_unset = true}),
            "$unset ${unset:-x} ${unset/a/b} value");
}

TEST(Word, EscapeCharacterCanBeAnother) {
  EXPECT_EQ(expanded("`$set \\$set C:\\dir", {.escape = '`'}), "$set \\value C:\\dir");
}

TEST(Word, UnsetVariablesAreTold) {
  const auto result = expand("$one ${two} ${three:-x} $set", variable);
  EXPECT_THAT(result.unset, testing::ElementsAre("one", "three", "two"));
}

}  // namespace
}  // namespace dlc::dockerfile
