#include "oci/artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace dlc::oci {
namespace {

using ::testing::HasSubstr;

Descriptor descriptor_of(const std::string& text, std::string_view type = kManifestType) {
  Descriptor result;
  result.media_type = type;
  result.digest = codec::sha256(text);
  result.size = text.size();
  return result;
}

TEST(Artifact, TheManifestIsWrittenAsTheSpecSays) {
  auto subject = descriptor_of("image");
  subject.annotations["not"] = "taken along";
  subject.platform = Platform{};
  const auto manifest =
      artifact_manifest({"application/spdx+json", "sbom.spdx.json", "2020-01-01T00:00:00Z", "[1]"}, subject);
  const auto layer = codec::sha256("[1]").str();
  EXPECT_EQ(
      to_json(manifest),
      R"({"annotations":{"org.opencontainers.image.created":"2020-01-01T00:00:00Z","org.opencontainers.image.title":"sbom.spdx.json"},)"
      R"("artifactType":"application/spdx+json",)"
      R"("config":{"data":"e30=","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",)"
      R"("mediaType":"application/vnd.oci.empty.v1+json","size":2},)"
      R"("layers":[{"annotations":{"org.opencontainers.image.title":"sbom.spdx.json"},"digest":")" +
          layer + R"(","mediaType":"application/spdx+json","size":3}],)" +
          R"("mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,"subject":{"digest":")" +
          subject.digest.str() + R"(","mediaType":"application/vnd.oci.image.manifest.v1+json","size":5}})");
  const auto again = parse_manifest(to_json(manifest));
  EXPECT_TRUE(is_referrer(again));
  EXPECT_EQ(again.subject->digest, subject.digest);
}

TEST(Artifact, NoTimeNoAnnotation) {
  const auto manifest = artifact_manifest({"a/b", "c", "", ""}, descriptor_of("image"));
  EXPECT_FALSE(manifest.annotations.contains(kCreated));
}

TEST(Artifact, ImagesAreNoReferrers) {
  Manifest manifest;
  manifest.config.media_type = kConfigType;
  EXPECT_FALSE(is_referrer(manifest));
  manifest.subject = descriptor_of("another");
  EXPECT_FALSE(is_referrer(manifest));
  manifest.config.media_type = "application/x";
  EXPECT_TRUE(is_referrer(manifest));
}

TEST(Artifact, AnEntryTakesTheConfigsTypeWhereThereIsNoOther) {
  Manifest manifest;
  manifest.config.media_type = "application/x";
  manifest.annotations["a"] = "b";
  auto entry = referrer_entry(manifest, descriptor_of("m"));
  EXPECT_EQ(entry.artifact_type, "application/x");
  EXPECT_EQ(entry.annotations.at("a"), "b");
  manifest.artifact_type = "application/y";
  EXPECT_EQ(referrer_entry(manifest, descriptor_of("m")).artifact_type, "application/y");
}

TEST(Artifact, TheTagOfADigest) {
  const auto digest = Digest::parse("sha256:" + std::string(64, 'a'));
  EXPECT_EQ(referrers_tag(digest), "sha256-" + std::string(64, 'a'));
}

TEST(Referrers, ANewListHoldsTheEntry) {
  auto entry = descriptor_of("one");
  entry.artifact_type = "a/b";
  const auto list = parse_index(with_referrer("", entry));
  ASSERT_EQ(list.manifests.size(), 1U);
  EXPECT_EQ(list.manifests[0].digest, entry.digest);
  EXPECT_EQ(list.manifests[0].artifact_type, "a/b");
}

TEST(Referrers, OthersEntriesStayAsTheyAre) {
  const std::string others = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
                             R"("x":{"kept":1},"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
                             R"("digest":"sha256:)" +
                             std::string(64, 'a') + R"(","size":7,"artifactType":"c/d","urls":["https://x.test"]}]})";
  const auto text = with_referrer(others, descriptor_of("one"));
  EXPECT_THAT(text, HasSubstr(R"("urls":["https://x.test"])"));
  EXPECT_THAT(text, HasSubstr(R"("x":{"kept":1})"));
  const auto list = parse_index(text);
  ASSERT_EQ(list.manifests.size(), 2U);
  EXPECT_EQ(list.manifests[0].artifact_type, "c/d");
  EXPECT_EQ(list.manifests[1].digest, codec::sha256("one"));
}

TEST(Referrers, WhatIsListedIsNotListedTwice) {
  const auto list = with_referrer(with_referrer("", descriptor_of("one")), descriptor_of("two"));
  EXPECT_EQ(with_referrer(list, descriptor_of("one")), list);
  EXPECT_EQ(with_referrer(list, descriptor_of("two")), list);
}

TEST(Referrers, OtherDocumentsAreRefused) {
  EXPECT_THROW((void)with_referrer("{}", descriptor_of("one")), Error);
  EXPECT_THROW((void)with_referrer(to_json(Manifest{}), descriptor_of("one")), Error);
  Index docker;
  docker.media_type = kDockerListType;
  EXPECT_THROW((void)with_referrer(to_json(docker), descriptor_of("one")), Error);
}

}  // namespace
}  // namespace dlc::oci
