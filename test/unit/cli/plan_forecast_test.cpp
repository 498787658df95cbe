#include "cli/plan_forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "cli/plan_requirements.h"

namespace dlc::cli {
namespace {

using ::testing::HasSubstr;
using State = build::StepForecast::State;

/// A repository with one buildspec, and an empty store.
class PlanForecast : public ::testing::Test {
 protected:
  void file(const std::string& path, const std::string& text) {
    const auto full = directory_.path() / path;
    std::filesystem::create_directories(full.parent_path());
    write_file_atomically(full, text);
  }

  buildspec::Plan plan(const std::string& more = {}) {
    file("mxnet/buildspec.yml",
         "account_id: \"1\"\nregion: r\nframework: mxnet\nversion: \"1\"\nimages:\n"
         "  A: &A\n    build: true\n    image_size_baseline: 9\n    device_type: cpu\n    python_version: py3\n"
         "    image_type: training\n    root: mxnet\n    repository: a\n    tag: t\n    docker_file: Dockerfile\n"
         "    context: {f: {source: f.txt, target: f.txt}}\n" +
             more);
    buildspec::ResolveOptions options;
    options.root = directory_.path();
    options.check_files = false;
    Diagnostics diagnostics;
    auto result = buildspec::resolve(options, diagnostics);
    EXPECT_EQ(diagnostics.errors(), 0);
    return result;
  }

  std::vector<ImageForecast> look(const buildspec::Plan& plan) {
    return forecast_plan(plan, directory_.path(), *store_);
  }

  TemporaryDirectory directory_{"/var/tmp", "dlc-forecast-"};
  std::unique_ptr<store::Store> store_ = store::Store::open(directory_.path() / "store");
};

TEST_F(PlanForecast, nothing_is_known_of_an_image_without_its_files) {
  const auto all = plan();
  auto forecasts = look(all);
  ASSERT_EQ(forecasts.size(), 1U);
  EXPECT_TRUE(forecasts[0].error);
  EXPECT_EQ(cached_text(forecasts[0]), "?");
  EXPECT_EQ(estimate_text(forecasts[0]), "?");
  EXPECT_THAT(why_text(forecasts[0]), HasSubstr("mxnet/buildspec.yml:15: "));
  file("mxnet/Dockerfile", "FROM scratch\nCOPY f.txt /\n");
  forecasts = look(all);
  ASSERT_TRUE(forecasts[0].error);
  EXPECT_THAT(forecasts[0].error->what(), HasSubstr("f.txt is not there"));
  file("mxnet/f.txt", "x");
  file("mxnet/Dockerfile", "FROM scratch\nRUNN x\n");
  EXPECT_EQ(look(all)[0].error->kind(), ErrorKind::invalid);
}

TEST_F(PlanForecast, a_store_that_has_nothing_makes_every_step_run) {
  file("mxnet/Dockerfile", "ARG BASE_IMAGE=scratch\nFROM ${BASE_IMAGE}\nCOPY f.txt /\nWORKDIR /w\n");
  file("mxnet/f.txt", "x");
  const auto all =
      plan("  B:\n    <<: *A\n    base_image_name: A\n    tag: b\n  C:\n    <<: *A\n    base: nowhere\n    tag: c\n");
  file("base/images.toml", "[[base]]\nname = \"nowhere\"\nsuite = \"bookworm\"\n");
  const auto forecasts = look(all);
  ASSERT_EQ(forecasts.size(), 3U);
  EXPECT_EQ(cached_text(forecasts[0]), "0/2");
  EXPECT_EQ(estimate_text(forecasts[0]), "?");
  EXPECT_THAT(why_text(forecasts[0]), HasSubstr("COPY f.txt /  will run\n      not built before\n"));
  EXPECT_THAT(why_text(forecasts[0]), HasSubstr("2 of 2 steps to run, estimated ?\n"));
  EXPECT_THAT(why_text(forecasts[1]), HasSubstr("the image it is based on changes first: a:t"));
  EXPECT_THAT(why_text(forecasts[2]), HasSubstr("dlc.local/base/nowhere is not in the store yet"));
  EXPECT_TRUE(forecasts[2].base_missing);
  EXPECT_THAT(why_json(forecasts), HasSubstr("\"state\": \"will-run\""));
}

ForecastStep step(State state, std::optional<std::uint64_t> cost) {
  ForecastStep result;
  result.name = "[1/2] RUN x";
  result.step.state = state;
  result.step.cost_ms = cost;
  return result;
}

TEST_F(PlanForecast, estimates) {
  const auto all = plan();
  ImageForecast forecast;
  forecast.image = &all.images[0];
  forecast.steps = {step(State::cached, 9'000), step(State::will_run, 23'400)};
  EXPECT_EQ(cached_text(forecast), "1/2");
  EXPECT_EQ(estimate_text(forecast), "0:24");
  forecast.steps.push_back(step(State::will_run, std::nullopt));
  EXPECT_EQ(estimate_text(forecast), "0:24+");
  forecast.steps = {step(State::will_run, 3'723'000)};
  EXPECT_EQ(estimate_text(forecast), "1:02:03");
  forecast.steps = {step(State::open, std::nullopt)};
  EXPECT_EQ(estimate_text(forecast), "?");
  forecast.steps = {step(State::cached, 1)};
  EXPECT_EQ(estimate_text(forecast), "0:00");
  EXPECT_THAT(why_text(forecast), HasSubstr("nothing to do: all 1 steps are in the store"));
  EXPECT_EQ(together_text({forecast}), "");
  auto shared = forecast;
  shared.steps = {step(State::will_run, 31'000)};
  EXPECT_THAT(together_text({shared, shared}), HasSubstr("about 0:31 for"));  // one vertex of two images
}

TEST_F(PlanForecast, changes_are_shown_with_their_lines) {
  const auto all = plan();
  ImageForecast forecast;
  forecast.image = &all.images[0];
  auto changed = step(State::will_run, 1'500);
  changed.step.changes = {{{"file r.txt", "", ""}, "r.txt changed", {"+graphviz==0.8.4"}},
                          {{"heredoc EOF", "", ""}, "heredoc changed", {"-a", "+b"}},
                          {{"user", "", ""}, "user changed", {}}};
  auto after = step(State::will_run, std::nullopt);
  after.cause = "[1/2] COPY r.txt /";
  forecast.steps = {changed, after};
  EXPECT_THAT(why_text(forecast), HasSubstr("will run, 1.5s the last time\n"
                                            "      r.txt changed  (+1 line: graphviz==0.8.4)\n"
                                            "      heredoc changed  (+1 line, -1 line)\n        -a\n        +b\n"
                                            "      user changed\n"));
  EXPECT_THAT(why_text(forecast), HasSubstr("      because of [1/2] COPY r.txt /\n"));
  EXPECT_THAT(why_json({forecast}), HasSubstr("\"because_of\": \"[1/2] COPY r.txt /\""));
}

TEST_F(PlanForecast, requirements_leave_images_out) {
  auto all = plan("  B:\n    <<: *A\n    tag: b\n    requires: [yes, no]\n");
  file(
      "base/requirements.toml",
      "[[requirement]]\nname = \"yes\"\ncommand = [\"true\"]\n[[requirement]]\nname = \"no\"\ncommand = [\"false\"]\n");
  Diagnostics diagnostics;
  probe_requirements(all, directory_.path(), diagnostics, {});
  EXPECT_EQ(diagnostics.errors(), 0);
  EXPECT_EQ(all.selected(), 1);
  EXPECT_EQ(left_out_text(all), "mxnet/buildspec.yml: B is left out: it requires no: false exited with 1\n");

  auto undefined = plan("  B:\n    <<: *A\n    tag: b\n    requires: yess\n");
  probe_requirements(undefined, directory_.path(), diagnostics, {});
  ASSERT_EQ(diagnostics.errors(), 1);
  EXPECT_EQ(diagnostics.all()[0].hint, "did you mean yes?");
  EXPECT_EQ(diagnostics.all()[0].line, "    requires: yess");
  EXPECT_EQ(undefined.selected(), 2);
}

}  // namespace
}  // namespace dlc::cli
