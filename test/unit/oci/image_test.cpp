#include "oci/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "oci/json_guard.h"

namespace dlc::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kDigest = "sha256:" + std::string(64, 'a');
const std::string kOther = "sha256:" + std::string(64, 'b');

std::string manifest_text(const std::string& digest, const std::string& size, const std::string& more = "") {
  return R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" + digest +
         R"(","size":)" + size + R"(},"layers":[])" + more + "}";
}

ErrorKind kind_of(auto&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(ImageConfig, ReadsDockersConfig) {
  const auto config = parse_config(R"({"architecture":"amd64","os":"linux","created":"2023-01-01T00:00:00.5Z",
    "container":"abc","docker_version":"20.10","container_config":{"Cmd":["x"]},"os.features":["a"],
    "config":{"Hostname":"h","User":"1000","Env":["A=b","PATH=/bin"],"Cmd":["sh"],"Entrypoint":null,
      "ExposedPorts":{"80/tcp":{},"22/tcp":{}},"Volumes":null,"Labels":{"k":"v"},"OnBuild":null,"StopTimeout":7,
      "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000,"Retries":3},"Shell":["/bin/bash","-c"]},
    "rootfs":{"type":"layers","diff_ids":[")" +
                                   kDigest + R"("]},
    "history":[{"created_by":"ADD","created":"2023-01-01T00:00:00Z"},{"created_by":"CMD","empty_layer":true}]})");
  EXPECT_EQ(to_string(config.platform), "linux/amd64");
  EXPECT_THAT(config.env, ElementsAre("A=b", "PATH=/bin"));
  EXPECT_FALSE(config.entrypoint.has_value());
  EXPECT_THAT(config.cmd.value(), ElementsAre("sh"));
  EXPECT_THAT(config.exposed_ports, ElementsAre("22/tcp", "80/tcp"));
  EXPECT_EQ(config.healthcheck.value().interval_ns, 5000000000);
  EXPECT_EQ(config.healthcheck.value().retries, 3);
  EXPECT_TRUE(config.history[1].empty_layer);
  EXPECT_TRUE(history_is_complete(config));
  EXPECT_EQ(config.extra, R"({"os.features":["a"]})");
  EXPECT_EQ(config.extra_config, R"({"StopTimeout":7})");
}

TEST(ImageConfig, KeepsItsMeaningThroughText) {
  ImageConfig config;
  config.platform = {"linux", "arm", "v7"};
  config.created = "2020-01-01T00:00:00Z";
  config.env = {"B=1", "A=2"};
  config.entrypoint = std::vector<std::string>{"/app"};
  config.healthcheck = HealthCheck{{"NONE"}, 0, 0, 0, 9, 0};
  config.diff_ids = {Digest::parse(kDigest)};
  config.history = {{"2020-01-01T00:00:00Z", "RUN x", "", "c", false}};
  config.extra = R"({"z":1})";
  const auto text = to_json(config);
  EXPECT_EQ(text, to_json(parse_config(text)));
  EXPECT_THAT(text, HasSubstr(R"("Healthcheck":{"StartInterval":9,"Test":["NONE"]})"));
  EXPECT_THAT(text, HasSubstr(R"("Env":["B=1","A=2"])"));
  EXPECT_THAT(text, HasSubstr(R"("variant":"v7")"));
  EXPECT_THAT(text, HasSubstr(R"("z":1)"));
}

TEST(ImageConfig, BytesThatAreNoUtf8AreReplaced) {
  ImageConfig config;
  config.env = {"A=\xff"};
  EXPECT_THAT(to_json(config), HasSubstr("A=\xEF\xBF\xBD"));
}

TEST(ImageConfig, WrongTypesAreRefused) {
  for (const auto* text :
       {"", "[]", "{", R"({"config":[]})", R"({"config":{"Env":[1]}})",
        R"({"config":{"Healthcheck":{"Interval":1e30}}})",
        R"({"config":{"Healthcheck":{"Interval":9223372036854775808}}})",
        R"({"config":{"Healthcheck":{"Retries":-1}}})", R"({"config":{"Healthcheck":{"Retries":2147483648}}})",
        R"({"rootfs":{"type":"other"}})", R"({"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}})",
        R"({"history":[7]})", R"({"created":7})"}) {
    EXPECT_EQ(kind_of([&] { (void)parse_config(text); }), ErrorKind::invalid) << text;
  }
}

TEST(Manifest, KeepsItsMeaningThroughText) {
  Manifest manifest;
  manifest.config = {std::string(kConfigType), Digest::parse(kDigest), 12, {}, std::nullopt, ""};
  manifest.layers = {{std::string(kLayerGzipType), Digest::parse(kOther), 99, {{"a", "b"}}, std::nullopt, ""}};
  manifest.annotations = {{"k", "v"}};
  const auto text = to_json(manifest);
  EXPECT_EQ(text, to_json(parse_manifest(text)));
  EXPECT_EQ(document_kind(text), DocumentKind::manifest);
  EXPECT_EQ(parse_manifest(text).layers.at(0).size, 99U);
}

TEST(Manifest, HostileOnesAreRefused) {
  EXPECT_NO_THROW((void)parse_manifest(manifest_text(kDigest, "1")));
  const std::vector<std::string> hostile{
      manifest_text("sha256:../../etc/passwd", "1"),
      manifest_text("sha256:" + std::string(64, 'A'), "1"),
      manifest_text("sha512:" + std::string(128, 'a'), "1"),
      manifest_text("sha256:" + std::string(63, 'a'), "1"),
      manifest_text(kDigest, "9223372036854775808"),
      manifest_text(kDigest, "-1"),
      manifest_text(kDigest, "1.5"),
      manifest_text(kDigest, "\"1\""),
      manifest_text(kDigest, "1", R"(,"manifests":[])"),
      manifest_text(kDigest, "1", R"(,"mediaType":"application/vnd.oci.image.index.v1+json")"),
      R"({"schemaVersion":1,"config":{},"layers":[]})",
      R"({"schemaVersion":2,"layers":[]})",
      R"({"schemaVersion":2,"config":{},"layers":{}})"};
  for (const auto& text : hostile) {
    EXPECT_EQ(kind_of([&] { (void)parse_manifest(text); }), ErrorKind::invalid) << text;
  }
  EXPECT_EQ(kind_of([] { (void)parse_manifest(R"({"schemaVersion":1,"fsLayers":[]})"); }), ErrorKind::unsupported);
}

TEST(Manifest, BombsCostNothing) {
  const std::string deep(100000, '[');
  EXPECT_EQ(kind_of([&] { (void)parse_index(deep); }), ErrorKind::invalid);
  EXPECT_EQ(kind_of([&] { (void)parse_index(std::string(kMaxDocument + 1, ' ')); }), ErrorKind::invalid);
  EXPECT_NO_THROW(guard_json(R"({"a":"[[[[\"[[["})", "text"));
}

TEST(Index, ReadsPlatforms) {
  const auto index =
      parse_index(R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json",
    "manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                  kDigest + R"(","size":5,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]})");
  ASSERT_EQ(index.manifests.size(), 1U);
  EXPECT_TRUE(same_platform(index.manifests[0].platform.value(), {"linux", "arm64", ""}));
  EXPECT_FALSE(same_platform(index.manifests[0].platform.value(), {"linux", "amd64", ""}));
  EXPECT_EQ(document_kind(to_json(index)), DocumentKind::index);
}

TEST(Consistency, LayersAndDiffIdsMustMatch) {
  Manifest manifest;
  manifest.layers = {{std::string(kLayerGzipType), Digest::parse(kDigest), 1, {}, std::nullopt, ""}};
  ImageConfig config;
  EXPECT_THROW(check_image(manifest, config), Error);
  config.diff_ids = {Digest::parse(kOther)};
  EXPECT_NO_THROW(check_image(manifest, config));
  manifest.layers[0].media_type = "application/wasm";
  EXPECT_EQ(kind_of([&] { check_image(manifest, config); }), ErrorKind::unsupported);
}

TEST(Consistency, HistoryIsBroughtInStep) {
  ImageConfig config;
  config.diff_ids = {Digest::parse(kDigest), Digest::parse(kOther)};
  EXPECT_FALSE(history_is_complete(config));
  complete_history(config);
  EXPECT_TRUE(history_is_complete(config));
  EXPECT_EQ(config.history.size(), 2U);
  config.diff_ids.pop_back();
  complete_history(config);
  EXPECT_TRUE(history_is_complete(config));
  EXPECT_TRUE(config.history[1].empty_layer);
}

TEST(Platform, SpellingsMeanTheSame) {
  EXPECT_EQ(to_string(parse_platform("x86_64")), "linux/amd64");
  EXPECT_EQ(to_string(parse_platform("linux/arm64/v8")), "linux/arm64");
  EXPECT_EQ(to_string(parse_platform("linux/arm")), "linux/arm/v7");
  EXPECT_EQ(to_string(parse_platform("linux/arm/v6")), "linux/arm/v6");
  EXPECT_EQ(to_string(parse_platform("linux")), to_string(host_platform()));
  for (const auto* text : {"", "/", "linux/", "linux/a b", "a/b/c/d", "linux/am\nd64"}) {
    EXPECT_EQ(kind_of([&] { (void)parse_platform(text); }), ErrorKind::invalid) << text;
  }
}

TEST(ChainId, FollowsTheSpecification) {
  const auto first = Digest::parse(kDigest);
  const auto second = Digest::parse(kOther);
  EXPECT_EQ(chain_id({}, first), first);
  EXPECT_EQ(chain_id(first, second), codec::sha256(kDigest + " " + kOther));
}

TEST(Time, ThereAndBack) {
  EXPECT_EQ(rfc3339(1577836800), "2020-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1577836800, 120000000), "2020-01-01T00:00:00.12Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(parse_rfc3339("2020-01-01T00:00:00.123456789Z"), 1577836800);
  EXPECT_EQ(parse_rfc3339("2020-01-01T02:00:00+02:00"), 1577836800);
  EXPECT_EQ(parse_rfc3339("0001-01-01T00:00:00Z"), -62135596800);
  for (const auto* text : {"", "2020-01-01", "2020-13-01T00:00:00Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00.Z",
                           "2020-01-01T00:00:00+0200", "2020-01-01T00:00:00.1"}) {
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace dlc::oci
