#include "store/referrers.h"

#include <gmock/gmock.h>

#include <array>

#include "base/error.h"
#include "store/database.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ReferrersTest : public StoreTest {
 protected:
  oci::Descriptor tag(const std::string& name, const std::string& user) {
    oci::ImageConfig config;
    config.user = user;
    const auto text = oci::to_json(config);
    oci::Manifest manifest;
    manifest.config.media_type = oci::kConfigType;
    manifest.config.digest = store().blobs().put(text);
    manifest.config.size = text.size();
    const auto document = oci::to_json(manifest);
    oci::Descriptor descriptor;
    descriptor.media_type = manifest.media_type;
    descriptor.digest = store().blobs().put(document);
    descriptor.size = document.size();
    store().records().tag(name, descriptor.digest);
    return descriptor;
  }
  std::vector<oci::Descriptor> attach_two(const oci::Descriptor& subject) {
    const std::array artifacts{oci::Artifact{"application/spdx+json", "a", "2020-01-01T00:00:00Z", "spdx"},
                               oci::Artifact{"application/vnd.cyclonedx+json", "b", "", "cyclonedx"}};
    return attach(store(), subject, artifacts);
  }
  std::size_t blobs() {
    std::size_t count = 0;
    store().blobs().for_each([&](const Digest&, std::uint64_t) { ++count; });
    return count;
  }
};

TEST_F(ReferrersTest, attached_once_or_twice_is_the_same) {
  const auto subject = tag("image:1", "a");
  const auto first = attach_two(subject);
  const auto after = blobs();
  const auto second = attach_two(subject);
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_EQ(first[0].digest, second[0].digest);
  EXPECT_EQ(first[1].artifact_type, "application/vnd.cyclonedx+json");
  EXPECT_EQ(blobs(), after);
  reopen();
  const auto found = referrers_of(store(), subject.digest);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_LT(found[0].descriptor.digest, found[1].descriptor.digest);
  for (const auto& referrer : found) {
    EXPECT_EQ(referrer.manifest.subject->digest, subject.digest);
    EXPECT_EQ(referrer.descriptor.size, store().blobs().size(referrer.descriptor.digest));
  }
  EXPECT_THAT(referrers_of(store(), first[0].digest), IsEmpty());
}

TEST_F(ReferrersTest, gc_keeps_them_as_long_as_the_subject) {
  const auto subject = tag("image:1", "a");
  const auto kept = attach_two(subject);
  const auto other = tag("image:2", "b");
  const auto gone = attach_two(other);
  EXPECT_EQ(attach_two(kept[0]).size(), 2U) << "of a document there may be some too";
  const auto all = blobs();
  reopen();
  EXPECT_EQ(store().gc(0, false).blobs, 0U);
  EXPECT_THAT(store().check(true), IsEmpty());
  store().records().untag("image:2");
  reopen();  // what a run pinned goes with it
  EXPECT_EQ(store().gc(0, true).blobs, 4U) << "the image's two, and two manifests: contents are shared";
  EXPECT_EQ(store().gc(0, false).blobs, 4U);
  EXPECT_EQ(blobs(), all - 4);
  EXPECT_THAT(store().records().referrers(other.digest), IsEmpty());
  EXPECT_THAT(referrers_of(store(), subject.digest), SizeIs(2));
  EXPECT_THAT(referrers_of(store(), kept[0].digest), SizeIs(2));
  store().records().untag("image:1");
  reopen();
  (void)store().gc(0, false);
  EXPECT_EQ(blobs(), 0U);
}

TEST_F(ReferrersTest, a_manifest_that_is_kept_for_its_age_keeps_them) {
  const auto subject = tag("image:1", "a");
  attach_two(subject);
  store().records().untag("image:1");
  reopen();
  EXPECT_EQ(store().gc(3600, false).blobs, 0U);
  store().records().tag("image:1", subject.digest);
  EXPECT_EQ(store().gc(0, false).blobs, 0U);
  EXPECT_THAT(referrers_of(store(), subject.digest), SizeIs(2));
}

TEST_F(ReferrersTest, a_lost_database_gets_them_back_from_the_blobs) {
  const auto subject = tag("image:1", "a");
  attach_two(subject);
  store().blobs().put(R"({"subject":1})");
  store_.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(directory_.path() / "store" / (std::string("db.sqlite") + suffix));
  }
  reopen();
  EXPECT_THAT(referrers_of(store(), subject.digest), SizeIs(2));
}

TEST_F(ReferrersTest, damage_is_found_and_harms_nothing_else) {
  const auto subject = tag("image:1", "a");
  const auto entries = attach_two(subject);
  store().blobs().remove(entries[0].digest);
  store().blobs().remove(codec::sha256("cyclonedx"));
  EXPECT_THAT(referrers_of(store(), subject.digest), SizeIs(1));
  const auto findings = store().check(false);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].what, "image image:1");
  EXPECT_THAT(findings[0].problem + findings[1].problem, HasSubstr(codec::sha256("cyclonedx").str() + " is missing"));
  EXPECT_THAT(findings[0].problem + findings[1].problem, HasSubstr("what belongs to it, " + entries[0].digest.str()));
}

TEST_F(ReferrersTest, a_store_of_the_version_before_gets_the_table) {
  const auto subject = tag("image:1", "a");
  store_.reset();
  {
    Database database(directory_.path() / "store" / "db.sqlite");
    database.run("DROP TABLE referrers");
    database.run("PRAGMA user_version=2");
  }
  reopen();
  attach_two(subject);
  EXPECT_THAT(referrers_of(store(), subject.digest), SizeIs(2));
}

}  // namespace
}  // namespace dlc::store::test
