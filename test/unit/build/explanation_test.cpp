#include "build/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dlc::build {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kOld(64, 'a');
const std::string kNew(64, 'b');

std::string difference(const KeyParts& before, const KeyParts& now) {
  return explain_difference(to_json(before), now);
}

TEST(Explanation, names_the_file_and_both_digests) {
  const KeyParts before{{"content of .", kOld}, {"file app.py", "0644 " + kOld}, {"the step before", kOld}};
  const KeyParts now{{"content of .", kNew}, {"file app.py", "0644 " + kNew}, {"the step before", kNew}};
  EXPECT_EQ(difference(before, now), "app.py changed (sha256 aaaa… → bbbb…)");
  EXPECT_EQ(difference({{"file app.py", "0644 " + kOld}}, {{"file app.py", "0755 " + kOld}}),
            "app.py changed (0644 → 0755)");
  EXPECT_EQ(difference({{"file a", "-> b"}}, {{"file a", "-> c"}}), "a changed (-> b → -> c)");
  EXPECT_EQ(difference({{"file a", "0644 " + kOld}}, {{"file b", "0644 " + kOld}}), "b is new");
  EXPECT_EQ(difference({{"file a", "0644 " + kOld}, {"x", "1"}}, {{"x", "1"}}), "a is gone");
}

TEST(Explanation, an_argument_comes_with_its_values) {
  EXPECT_EQ(difference({{"variable VERSION", "1.9.0"}}, {{"variable VERSION", "1.9.1"}}),
            "variable VERSION changed (\"1.9.0\" → \"1.9.1\")");
  EXPECT_EQ(difference({{"x", "1"}}, {{"x", "1"}, {"variable NEW", "v"}}), "variable NEW is new: \"v\"");
  EXPECT_EQ(difference({{"x", "1"}, {"variable OLD", "v"}}, {{"x", "1"}}), "variable OLD is gone");
  EXPECT_EQ(difference({{"instruction", "make all\nmake install"}}, {{"instruction", std::string(80, 'x')}}),
            "instruction changed (\"make all…\" → \"" + std::string(59, 'x') + "…\")");
}

TEST(Explanation, the_base_counts_more_than_what_follows_from_it) {
  EXPECT_EQ(difference({{"base debian", kOld}}, {{"base debian", kNew}}), "base debian changed (sha256 aaaa… → bbbb…)");
  EXPECT_EQ(difference({{"the step before", kOld}}, {{"the step before", kNew}}), "the step before changed");
  EXPECT_EQ(difference({{"the step before", kOld}, {"user", ""}}, {{"the step before", kNew}, {"user", "app"}}),
            "user is new: \"app\"");
}

TEST(Explanation, nothing_to_say) {
  EXPECT_EQ(difference({{"x", "1"}}, {{"x", "1"}}), "");
  EXPECT_EQ(explain_difference("not json", {{"x", "1"}}), "");
  EXPECT_EQ(explain_difference("", {{"x", "1"}}), "");
}

TEST(Explanation, options_are_named_where_nothing_else_is) {
  RunOp before;
  before.argv = {"/bin/sh", "-c", "true"};
  before.env = {"A=1", "B"};
  auto after = before;
  after.network = RunOp::Network::none;
  EXPECT_EQ(difference(operation_parts(before, "before"), operation_parts(after, "after")),
            "options of the step changed (mounts, network, times or the like)");
  after.argv = {"cmake", "--build", "."};
  EXPECT_EQ(difference(operation_parts(before, "before"), operation_parts(after, "after")),
            "instruction changed (\"true\" → \"cmake --build .\")");
}

TEST(Explanation, long_texts_are_kept_by_digest) {
  CopyOp copy;
  copy.sources = {{.input = 1, .path = "a", .unpack = false}};
  copy.dest = "/a";
  copy.inline_files = {{"EOF", std::string(20'000, 'x')}};
  const auto parts = operation_parts(copy, "");
  EXPECT_EQ(parts[0].second, "a /a");
  EXPECT_TRUE(parts[1].second.starts_with("sha256 "));
  EXPECT_EQ(operation_parts(MakeDirectoryOp{"/srv", "app"}, "")[0].second, "/srv");
}

TEST(Explanation, changed_lines) {
  EXPECT_THAT(changed_lines("a\nb\nc\n", "a\nb\nc\nd\n"), ElementsAre("+d"));
  EXPECT_THAT(changed_lines("a\nb\nc\n", "a\nx\nc\n"), ElementsAre("-b", "+x"));
  EXPECT_THAT(changed_lines("a\nb\nc\nd\n", "b\nd\ne"), ElementsAre("-a", "-c", "+e"));
  EXPECT_THAT(changed_lines("", "a\n"), ElementsAre("+a"));
  EXPECT_THAT(changed_lines("a\n", "a\n"), IsEmpty());
  std::string big;
  for (int i = 0; i < 2500; ++i) {
    big += std::to_string(i) + "\n";
  }
  EXPECT_THAT(changed_lines("x\n", big), IsEmpty());  // too much to show
}

TEST(Explanation, a_step_is_remembered_by_text_and_by_place) {
  EXPECT_THAT(memory_names("img", "[train 3/9] RUN pip install x"),
              ElementsAre("img\ntrain\nRUN pip install x", "img\n[train 3 RUN", "\ntrain\nRUN pip install x"));
  EXPECT_THAT(memory_names("img", "[3/9] COPY a b"), ElementsAre("img\n\nCOPY a b", "img\n[3 COPY", "\n\nCOPY a b"));
  EXPECT_THAT(memory_names("img", "RUN x"), ElementsAre("img\n\nRUN x", "\n\nRUN x"));
}

}  // namespace
}  // namespace dlc::build
