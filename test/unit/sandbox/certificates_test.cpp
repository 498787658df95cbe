// The host's certificate authorities in a step, and that its layer is as if they had not been there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "sandbox/host_trust.h"
#include "sandbox/injected_certificates.h"
#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kPublic = std::string(100, 'A');
const std::string kImages = std::string(64, 'B');
const std::string kHost = std::string(130, 'C') + "==";
constexpr const char* kBundle = "etc/ssl/certs/ca-certificates.crt";
constexpr const char* kAnchors = "usr/local/share/ca-certificates";

class CertificatesTest : public SandboxTest {
 protected:
  CertificatesTest() {
    trust.bodies = {kHost};
    trust.bundle = pem_text(kPublic) + pem_text(kHost);
    fs::create_directories(lower() / "usr/local/share");
  }

  void image_has_bundle() {
    write(kBundle, pem_text(kPublic) + pem_text(kImages));
    fs::create_directories(lower() / kAnchors);
  }

  /// The step, done by hand on the merged tree.
  void step(const std::function<void(const fs::path&)>& body) {
    fs::create_directories(directory_.path() / "injected");
    const OverlayMount image({.lowers = {lower()}, .upper = {}, .work = {}});
    const UniqueFd root = open_file(image.path().string(), O_PATH | O_DIRECTORY);
    const InjectedCertificates certificates(trust, root.get(), directory_.path() / "injected");
    variables = certificates.variables({"PIP_CERT=/mine"});
    {
      const OverlayMount merged({.lowers = {certificates.directory(), lower()}, .upper = upper(), .work = spec.work});
      body(merged.path());
    }
    certificates.remove_from(upper());
  }

  /// What update-ca-certificates does with the local certificates.
  static void update(const fs::path& root) {
    std::string text = pem_text(kPublic) + pem_text(kImages);
    fs::create_directories(root / "etc/ssl/certs");
    for (const auto& entry : fs::recursive_directory_iterator(root / kAnchors)) {
      if (entry.path().extension() == ".crt") {
        text += read_file(entry.path());
        const auto stem = entry.path().stem().string();
        const auto target = "/" + entry.path().lexically_relative(root).string();
        fs::create_symlink(target, root / "etc/ssl/certs" / (stem + ".pem"));
        fs::create_symlink(stem + ".pem", root / "etc/ssl/certs/0123abcd.0");
      }
    }
    write_file_atomically(root / kBundle, text);
  }

  HostTrust trust;
  std::vector<std::string> variables;
};

TEST_F(CertificatesTest, StepSeesThemAndNothingStays) {
  image_has_bundle();
  step([](const fs::path& root) {
    EXPECT_EQ(read_file(root / kBundle), pem_text(kPublic) + pem_text(kImages) + pem_text(kHost));
    EXPECT_EQ(read_file(root / kAnchors / "dlc-host/bundle.pem"),
              pem_text(kPublic) + pem_text(kImages) + pem_text(kHost));
  });
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_EQ(variables.size(), 6U);
  EXPECT_THAT(variables, Not(::testing::Contains(HasSubstr("PIP_CERT"))));
}

TEST_F(CertificatesTest, BundleMadeAnewIsDroppedWhereItIsTheSame) {
  image_has_bundle();
  step([](const fs::path& root) { update(root); });
  EXPECT_THAT(changes(), ElementsAre("etc", "etc/ssl", "etc/ssl/certs"));
}

TEST_F(CertificatesTest, StepsOwnCertificateStays) {
  image_has_bundle();
  const std::string own = std::string(80, 'D');
  step([&](const fs::path& root) { std::ofstream(root / kBundle, std::ios::app) << pem_text(own); });
  EXPECT_EQ(read_file(upper() / kBundle), pem_text(kPublic) + pem_text(kImages) + pem_text(own));
  EXPECT_THAT(changes(), ElementsAre("etc", "etc/ssl", "etc/ssl/certs", kBundle));
}

TEST_F(CertificatesTest, ImageWithoutBundle) {
  step([](const fs::path& root) {
    EXPECT_FALSE(fs::exists(root / kBundle));
    EXPECT_EQ(read_file(root / kAnchors / "dlc-host/bundle.pem"), pem_text(kPublic) + pem_text(kHost));
  });
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(CertificatesTest, PackageInstalledInTheStep) {
  step([](const fs::path& root) {
    fs::create_directories(root / "usr/sbin");
    std::ofstream(root / "usr/sbin/update-ca-certificates") << "x";
    update(root);
  });
  EXPECT_EQ(read_file(upper() / kBundle), pem_text(kPublic) + pem_text(kImages));
  EXPECT_THAT(changes(), ElementsAre("etc", "etc/ssl", "etc/ssl/certs", kBundle, "usr", "usr/local", "usr/local/share",
                                     kAnchors, "usr/sbin", "usr/sbin/update-ca-certificates"));
}

TEST_F(CertificatesTest, RemovingOurFilesLeavesNoMark) {
  image_has_bundle();
  step([](const fs::path& root) { fs::remove_all(root / kAnchors / "dlc-host"); });
  EXPECT_THAT(changes(), Not(::testing::Contains(HasSubstr("dlc-host"))));
}

TEST_F(CertificatesTest, RemovedBundleStaysRemoved) {
  image_has_bundle();
  step([](const fs::path& root) { fs::remove(root / kBundle); });
  struct stat status{};
  ASSERT_EQ(::lstat((upper() / kBundle).c_str(), &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
}

TEST_F(CertificatesTest, DirectoriesLookAsInTheImage) {
  image_has_bundle();
  ::chmod((lower() / "usr/local").c_str(), 02775);
  ::chown((lower() / "usr/local").c_str(), 7, 8);
  struct stat before{};
  ::stat((lower() / "usr/local").c_str(), &before);
  step([&](const fs::path& root) {
    struct stat status{};
    ::stat((root / "usr/local").c_str(), &status);
    EXPECT_EQ(status.st_mode, before.st_mode);
    EXPECT_EQ(status.st_uid, 7U);
    EXPECT_EQ(status.st_gid, 8U);
    EXPECT_EQ(status.st_mtim.tv_sec, before.st_mtim.tv_sec);
  });
}

TEST_F(CertificatesTest, CertificateThatTheImageTrustsItselfIsLeftAlone) {
  write(kBundle, pem_text(kHost));
  fs::create_directories(lower() / kAnchors);
  step([](const fs::path& root) {
    EXPECT_FALSE(fs::exists(root / kAnchors / "dlc-host"));
    std::ofstream(root / kBundle, std::ios::app) << pem_text(kPublic);
  });
  EXPECT_EQ(read_file(upper() / kBundle), pem_text(kHost) + pem_text(kPublic));
}

TEST_F(CertificatesTest, LinksInTheImageAreNotFollowed) {
  const fs::path victim = directory_.path() / "victim";
  fs::create_directories(victim / "share/ca-certificates");
  write("etc/passwd", "");
  fs::remove_all(lower() / "usr/local");
  fs::create_symlink(victim, lower() / "usr/local");
  fs::create_directories(lower() / "etc/ssl");
  fs::create_symlink(victim, lower() / "etc/ssl/certs");
  step([](const fs::path&) {});
  EXPECT_TRUE(fs::is_empty(victim / "share/ca-certificates"));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST(HostTrustTest, OwnCertificatesAreToldFromPublicOnes) {
  const TemporaryDirectory place("/tmp", "trust-");
  const auto file = [&](const std::string& name, const std::string& text) {
    fs::create_directories((place.path() / name).parent_path());
    std::ofstream(place.path() / name) << text;
  };
  file("anchors/a.crt", "# a comment\n" + pem_text(kHost));
  file("anchors/readme.txt", pem_text(kImages));
  file("public/p.crt", pem_text(kPublic));
  const std::string extra = std::string(10, 'E');
  file("bundle.pem", pem_text(kPublic) + pem_text(kHost) + pem_text(extra));
  TrustSources sources{{place.path() / "anchors"}, place.path() / "public", {place.path() / "bundle.pem"}};
  EXPECT_THAT(read_host_trust(sources).bodies, ElementsAre(kHost, extra));
  // Without the public ones nothing can be said of the bundle.
  sources.public_certificates = place.path() / "missing";
  EXPECT_THAT(read_host_trust(sources).bodies, ElementsAre(kHost));
}

TEST(HostTrustTest, BlocksOfOddTexts) {
  EXPECT_THAT(pem_blocks(""), IsEmpty());
  EXPECT_THAT(pem_blocks("-----BEGIN CERTIFICATE-----\nAAA"), IsEmpty());
  const auto blocks = pem_blocks("x\n-----BEGIN CERTIFICATE-----\r\nAA\r\nBB\r\n-----END CERTIFICATE-----\r\ny");
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].body, "AABB");
  EXPECT_EQ(blocks[0].begin, 2U);
}

}  // namespace
}  // namespace dlc::sandbox
