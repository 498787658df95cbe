#include "buildspec/baselines.h"

#include <gtest/gtest.h>

#include "repository.h"

namespace dlc::buildspec {
namespace {

TEST(Baselines, OnlyTheNumberChanges) {
  const std::string text = "a: 1 # c\n  image_size_baseline:   4899  # MiB\nb: '12'\n\xC3\xA4: \"7\"\n";
  EXPECT_EQ(update_baselines(text, {{2, 26, 5000}, {3, 4, 9}, {4, 4, 123}}),
            "a: 1 # c\n  image_size_baseline:   5000  # MiB\nb: '9'\n\xC3\xA4: \"123\"\n");
}

TEST(Baselines, PlacesOfAPlanFit) {
  Repository repository;
  auto text = head() + "size: &SIZE 700 # shared\nimages:\n" + image("A", kFlag) + image("B", "true");
  text.replace(text.rfind("900"), 3, "*SIZE");
  const auto plan = repository.plan(text);
  ASSERT_EQ(plan.images.size(), 2U);
  EXPECT_EQ(plan.images[1].image_size_baseline, 700);
  std::vector<BaselineChange> changes;
  for (const auto& image : plan.images) {
    changes.push_back({image.baseline_where.line, image.baseline_where.column, image.image_size_baseline + 1});
  }
  const auto changed = repository.plan(update_baselines(text, changes));
  EXPECT_EQ(changed.images[0].image_size_baseline, 901);
  EXPECT_EQ(changed.images[1].image_size_baseline, 701);
}

TEST(Baselines, WhatIsNoNumberIsRefused) {
  EXPECT_THROW(static_cast<void>(update_baselines("a: x\n", {{1, 4, 1}})), Error);
  EXPECT_THROW(static_cast<void>(update_baselines("a: 1x\n", {{1, 4, 1}})), Error);
  EXPECT_THROW(static_cast<void>(update_baselines("a: '1\n", {{1, 4, 1}})), Error);
  EXPECT_THROW(static_cast<void>(update_baselines("a: 1\n", {{9, 4, 1}})), Error);
  EXPECT_THROW(static_cast<void>(update_baselines("a: 1\n", {{0, 0, 1}})), Error);
  EXPECT_THROW(static_cast<void>(update_baselines("a: 1\n", {{1, 4, 1}, {1, 4, 2}})), Error);
  EXPECT_EQ(update_baselines("a: 1\n", {{1, 4, 2}, {1, 4, 2}}), "a: 2\n");
}

}  // namespace
}  // namespace dlc::buildspec
