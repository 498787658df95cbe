#include "dockerfile/syntax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

namespace dlc::dockerfile {
namespace {

std::string sexpr(std::string_view text) {
  return to_sexpr(read_syntax(text, "Dockerfile"));
}

std::string failure(std::string_view text, int line) {
  try {
    return "no error: " + sexpr(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid);
    EXPECT_EQ(e.where().file, "Dockerfile");
    EXPECT_EQ(e.where().line, line);
    return e.message();
  }
}

TEST(Syntax, OneLineForEachInstruction) {
  EXPECT_EQ(sexpr("FROM a AS b\nrun echo  hi\nCMD [\"x\", \"y z\"]\nWORKDIR /a b\n"),
            "(from \"a\" \"AS\" \"b\")\n(run \"echo  hi\")\n(cmd \"x\" \"y z\")\n(workdir \"/a b\")\n");
  EXPECT_EQ(sexpr("COPY --from=a --chown=b x  y\n"), "(copy [\"--from=a\" \"--chown=b\"] \"x\" \"y\")\n");
  EXPECT_EQ(sexpr("ENV a=1 b='2 3'\nLABEL k some value\n"),
            "(env \"a\" \"1\" \"=\" \"b\" \"'2 3'\" \"=\")\n(label \"k\" \"some value\" \"\")\n");
  EXPECT_EQ(sexpr("ONBUILD RUN x\n"), "(onbuild (run \"x\"))\n");
  EXPECT_EQ(sexpr("FOO --a bar\n"), "(foo [\"--a\"] \"\")\n");  // unknown: refused later
  EXPECT_EQ(sexpr("HEALTHCHECK --interval=1s CMD a b\nHEALTHCHECK NONE\nHEALTHCHECK CMD [\"a\"]\n"),
            "(healthcheck [\"--interval=1s\"] \"CMD\" \"a b\")\n(healthcheck \"NONE\")\n(healthcheck \"CMD\" \"a\")\n");
  EXPECT_EQ(sexpr("ARG a b=\"c d\"\nEXPOSE 80  81\nVOLUME /a /b\n"),
            "(arg \"a\" \"b=\\\"c d\\\"\")\n(expose \"80\" \"81\")\n(volume \"/a\" \"/b\")\n");
}

TEST(Syntax, FlagsEndAtTheFirstOtherWord) {
  EXPECT_EQ(sexpr("COPY -- --odd /x\n"), "(copy \"--odd\" \"/x\")\n");
  EXPECT_EQ(sexpr("RUN --mount=type=cache,target=\"/a b\" --x cmd --y\n"),
            "(run [\"--mount=type=cache,target=/a b\" \"--x\"] \"cmd --y\")\n");
  EXPECT_EQ(sexpr("RUN --a=b\\ c d\n"), "(run [\"--a=b c\"] \"d\")\n");
  EXPECT_EQ(sexpr("RUN --a=b\\\\\n"), "(run [\"--a=b\\\\\"])\n");
}

TEST(Syntax, ContinuationsCommentsAndBlankLines) {
  EXPECT_EQ(sexpr("RUN a \\\n  # comment\n\n  b \\  \n c\n"), "(run \"a   b  c\")\n");
  EXPECT_EQ(sexpr("RUN a \\"), "(run \"a\")\n");
  EXPECT_EQ(sexpr("RUN a\\\\\nRUN b\n"), "(run \"a\\\\\\\\\")\n(run \"b\")\n");
  EXPECT_EQ(sexpr("  \t run a # not a comment\r\n# one\r\nRUN b\r\n"), "(run \"a # not a comment\")\n(run \"b\")\n");
  EXPECT_EQ(sexpr("\xef\xbb\xbf"
                  "FROM x"),
            "(from \"x\")\n");
  EXPECT_TRUE(read_syntax("RUN a \\\n\n b\n", "x").nodes[0].empty_continuation);
}

TEST(Syntax, LineRangesAndCommentsAbove) {
  const auto syntax = read_syntax("# top\n#\n# above\nRUN a \\\n b\nRUN <<E\nx\nE\nRUN c\n", "x");
  ASSERT_EQ(syntax.nodes.size(), 3U);
  EXPECT_EQ(syntax.nodes[0].lines.first, 4);
  EXPECT_EQ(syntax.nodes[0].lines.last, 5);
  EXPECT_THAT(syntax.nodes[0].comments, testing::ElementsAre("above"));
  EXPECT_EQ(syntax.nodes[1].lines.last, 8);
  EXPECT_EQ(syntax.nodes[2].lines.first, 9);
}

TEST(Syntax, Directives) {
  const auto syntax = read_syntax("#syntax=docker/dockerfile:1\n# Escape = `\n#check=skip=all\nRUN a `\n b\n", "x");
  EXPECT_EQ(syntax.escape, '`');
  EXPECT_EQ(syntax.directives.size(), 3U);
  EXPECT_EQ(to_sexpr(syntax), "(run \"a  b\")\n");
  EXPECT_EQ(read_syntax("# a comment\n# escape=`\nRUN a\n", "x").escape, '\\');
  EXPECT_EQ(read_syntax("# foo=bar\n# escape=`\nRUN a\n", "x").escape, '\\');
  EXPECT_EQ(read_syntax("\n# escape=`\nRUN a\n", "x").escape, '\\');
  EXPECT_EQ(read_syntax("#!/usr/bin/env x\n# syntax=y\nRUN a\n", "x").directives.size(), 1U);
  EXPECT_EQ(failure("# escape=x\nFROM a\n", 1), "invalid escape token 'x' does not match ` or \\");
  EXPECT_EQ(failure("# escape=`\n# escape=`\nFROM a\n", 2), "only one escape parser directive can be used");
}

TEST(Syntax, Heredocs) {
  const auto syntax = read_syntax(
      "COPY <<one <<-\"two\" a /d\n1\none\n\t2\n\ttwo\nRUN cat <<E | x 3<<F\ne\nE\nf\nF\nRUN [\"a\", \"<<E\"]\nRUN a "
      "<<<x\n",
      "x");
  ASSERT_EQ(syntax.nodes.size(), 4U);
  const auto& copy = syntax.nodes[0].heredocs;
  ASSERT_EQ(copy.size(), 2U);
  EXPECT_EQ(copy[0].name, "one");
  EXPECT_EQ(copy[0].content, "1\n");
  EXPECT_TRUE(copy[0].expand);
  EXPECT_EQ(copy[1].content, "\t2\n");
  EXPECT_TRUE(copy[1].chomp);
  EXPECT_FALSE(copy[1].expand);
  ASSERT_EQ(syntax.nodes[1].heredocs.size(), 2U);
  EXPECT_EQ(syntax.nodes[1].heredocs[1].descriptor, 3);
  EXPECT_TRUE(syntax.nodes[2].heredocs.empty());
  EXPECT_TRUE(syntax.nodes[3].heredocs.empty());
  EXPECT_EQ(read_syntax("ONBUILD RUN <<E\nx\nE\n", "x").nodes[0].trigger[0].heredocs[0].content, "x\n");
  // Blanks may stand before the name; an escape in it leaves the content's variables, quotes do not.
  const auto blanks = read_syntax("RUN cat << E > /x\nx\nE\nRUN << 'F'\ny\nF\nRUN <<\\G\nz\nG\n", "x");
  ASSERT_EQ(blanks.nodes.size(), 3U);
  EXPECT_EQ(blanks.nodes[0].heredocs.at(0).content, "x\n");
  EXPECT_FALSE(blanks.nodes[1].heredocs.at(0).expand);
  EXPECT_EQ(blanks.nodes[2].heredocs.at(0).name, "G");
  EXPECT_TRUE(blanks.nodes[2].heredocs.at(0).expand);
  EXPECT_EQ(failure("RUN <<EOF\nx\n", 1), "dockerfile parse error on line 1: unterminated heredoc");
}

TEST(Syntax, Errors) {
  EXPECT_EQ(failure("", 0), "the Dockerfile cannot be empty");
  EXPECT_EQ(failure("# only\n\n", 2), "file with no instructions");
  EXPECT_EQ(failure("FROM a\nENV PATH\n", 2), "dockerfile parse error on line 2: ENV must have two arguments");
  EXPECT_EQ(failure("LABEL a=1 b\n", 1),
            "dockerfile parse error on line 1: Syntax error - can't find = in \"b\". Must be of the form: name=value");
  EXPECT_EQ(failure("CMD [\"a\", [\"b\"]]\n", 1),
            "dockerfile parse error on line 1: when using JSON array syntax, arrays must be comprised of strings only");
  EXPECT_EQ(failure("ONBUILD ONBUILD RUN x\n", 1),
            "dockerfile parse error on line 1: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
}

TEST(Syntax, ErrorsShowTheLines) {
  try {
    static_cast<void>(read_syntax("FROM a\n\nRUN b\nENV x\nRUN c\nRUN d\nRUN e\n", "D"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.excerpt(),
              "--------------------\n   2 |\n   3 |     RUN b\n   4 | >>> ENV x\n   5 |     RUN c\n   6 |     RUN d\n"
              "--------------------");
  }
}

TEST(Syntax, JsonStrings) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(parse_json_strings("[ \"a\" , \"b\" ] \t"), (Strings{"a", "b"}));
  EXPECT_EQ(parse_json_strings("[]"), Strings{});
  EXPECT_EQ(parse_json_strings(R"(["\u00e9\n\t\"\\\/", "\ud83d\udc33", "\ud83d"])"),
            (Strings{"é\n\t\"\\/", "🐳", "\xef\xbf\xbd"}));
  for (const char* text : {"['a']", "[\"a\"", "[\"a]", "[\"a\",]", "a", "[\"\\x\"]", "[\"a\" \"b\"]", "[tru]", "[1.]",
                           "[\"\\u12\"]", "[{\"a\"}]", "[\"a\"] trailing", "[1] trailing"}) {
    EXPECT_EQ(parse_json_strings(text), std::nullopt) << text;
  }
  for (const char* text : {"[1]", "[\"a\", null]", "[[\"a\"]]", "[{\"a\": [true, false, -1.5e+3]}]", "[{}]", "[[]]"}) {
    EXPECT_THROW(static_cast<void>(parse_json_strings(text)), Error) << text;
  }
}

TEST(Syntax, QuotesAsGoDoes) {
  EXPECT_EQ(quote("a\"b\\\n\t\x01é🐳\xff\xe2\x80\x8b"), "\"a\\\"b\\\\\\n\\t\\x01é🐳\\xff\\u200b\"");
}

TEST(Syntax, Words) {
  EXPECT_THAT(split_words("a 'b c' \"d\\\" e\" f\\ g", '\\'),
              testing::ElementsAre("a", "'b c'", "\"d\\\" e\"", "f\\ g"));
  EXPECT_THAT(split_words("a b\\", '\\'), testing::ElementsAre("a", "b"));
}

}  // namespace
}  // namespace dlc::dockerfile
