#include "build/base_freshness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "unit/net/fake_server.h"

namespace dlc::build {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(BaseFreshness, names_of_indexes) {
  const auto index = index_of_source("deb [signed-by=/k.gpg] http://mirror.x:8080/my_debian/ bookworm-updates main");
  ASSERT_TRUE(index);
  EXPECT_EQ(index->url, "http://mirror.x:8080/my_debian/dists/bookworm-updates/InRelease");
  EXPECT_EQ(index->file, "mirror.x:8080_my%5fdebian_dists_bookworm-updates_InRelease");
  EXPECT_FALSE(index_of_source("deb-src http://x/debian bookworm main"));
  EXPECT_FALSE(index_of_source("deb http://x/debian ./"));
  EXPECT_FALSE(index_of_source("deb [x"));
  EXPECT_FALSE(index_of_source(""));
}

TEST(BaseFreshness, compares_with_the_mirror) {
  const TemporaryDirectory directory("/var/tmp", "dlc-freshness-");
  const auto store = store::Store::open(directory.path() / "store");
  dlc::testing::FakeServer server([](const dlc::testing::FakeRequest& request) {
    if (request.target.find("-security") != std::string::npos) {
      return dlc::testing::answer(404, "");
    }
    return dlc::testing::answer(200, request.target.find("-updates") != std::string::npos ? "new" : "same");
  });
  EXPECT_FALSE(base_freshness("b", *store, 10, {}));
  const auto uri = "http://127.0.0.1:" + std::to_string(server.port()) + "/debian";
  nlohmann::json record;
  for (const char* suite : {"bookworm", "bookworm-updates", "bookworm-security"}) {
    const auto line = "deb " + uri + " " + suite + " main";
    record["mirrors"].push_back(line);
    record["indexes"].push_back(codec::sha256("same").hex() + "  " + index_of_source(line)->file);
  }
  store->records().set_value("base/b", record.dump());
  const auto freshness = base_freshness("b", *store, 10, {});
  ASSERT_TRUE(freshness);
  EXPECT_THAT(freshness->moved, ElementsAre("bookworm-updates"));
  EXPECT_THAT(freshness->open, SizeIs(1));
  store->records().set_value("base/b", "{}");
  EXPECT_FALSE(base_freshness("b", *store, 10, {}));
}

}  // namespace
}  // namespace dlc::build
