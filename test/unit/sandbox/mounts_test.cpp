// Mounts of a container, and that nothing of them stays in the layer.
#include <gmock/gmock.h>
#include <sys/mount.h>

#include "base/error.h"
#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MountsTest : public SandboxTest {
 protected:
  MountsTest() {
    fs::create_directories(host() / "sub");
    std::ofstream(host() / "f") << "content\n";
  }
  [[nodiscard]] fs::path host() const { return directory_.path() / "host"; }
  void add(const std::string& source, const std::string& target, bool read_only = true) {
    ContainerMount mount;
    mount.source = source;
    mount.target = target;
    mount.read_only = read_only;
    spec.mounts.push_back(mount);
  }
  [[nodiscard]] static std::int64_t mtime(const fs::path& path) {
    struct stat status{};
    ::lstat(path.c_str(), &status);
    return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  }
};

TEST_F(MountsTest, BindIsReadOnlyAndLeavesNoMountPoint) {
  add(host(), "/in/here/deep");
  const auto outcome =
      shell("cat /in/here/deep/f; touch /in/here/deep/new || echo refused; touch /in/here/deep/f || echo no");
  EXPECT_EQ(outcome.out, "content\nrefused\nno\n");
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, WritableBindChangesItsSource) {
  add(host(), "/in", false);
  EXPECT_EQ(shell("echo x > /in/new").status, 0);
  EXPECT_TRUE(fs::exists(host() / "new"));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, NothingIsMadeInWhatIsReadOnly) {
  fs::create_directory(host() / "there");
  add(host(), "/in");
  spec.cwd = "/in/there";
  EXPECT_EQ(shell("pwd").out, "/in/there\n");
  spec.cwd = "/in/new";
  EXPECT_THROW((void)shell("pwd"), Error);
  EXPECT_FALSE(fs::exists(host() / "new"));
  spec.cwd = "/";
  add(host() / "there", "/in/point");
  EXPECT_THROW((void)shell("pwd"), Error);
  EXPECT_FALSE(fs::exists(host() / "point"));
}

TEST_F(MountsTest, FileOverAFileThatIsThereOrNot) {
  add(host() / "f", "/single.txt");
  add(host() / "f", "/etc/group");
  EXPECT_EQ(shell("cat /single.txt /etc/group").out, "content\ncontent\n");
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, NestedMountsInOrder) {
  add(host(), "/in", false);
  add(host() / "f", "/in/sub/g");
  EXPECT_EQ(shell("cat /in/sub/g").out, "content\n");
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, TmpfsHasSizeAndMode) {
  spec.mounts.push_back({.type = ContainerMount::Type::tmpfs,
                         .source = "",
                         .target = "/t",
                         .size = 1U << 20,
                         .mode = 0750,
                         .uid = 12,
                         .gid = 34});
  const auto outcome =
      shell("stat -c '%a %u %g' /t; dd if=/dev/zero of=/t/f bs=65536 count=40 2>/dev/null || echo full");
  EXPECT_EQ(outcome.out, "750 12 34\nfull\n");
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, TargetsBelowDev) {
  add(host() / "f", "/dev/pipes/EOF");
  EXPECT_EQ(shell("cat /dev/pipes/EOF").out, "content\n");
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, StepsOwnFilesBesideAMountPointStay) {
  add(host(), "/made/in");
  EXPECT_EQ(shell("echo x > /made/mine").status, 0);
  EXPECT_THAT(changes(), ElementsAre("made", "made/mine"));
}

TEST_F(MountsTest, TimesOfUntouchedDirectoriesAreRestored) {
  write("usr/share/x", "");
  const std::array<timespec, 2> times{{{1000, 0}, {1000, 7}}};
  ::utimensat(AT_FDCWD, (lower() / "usr/share").c_str(), times.data(), 0);
  add(host(), "/usr/share/in");
  ::utimensat(AT_FDCWD, upper().c_str(), times.data(), 0);
  EXPECT_EQ(shell("chmod 0700 /usr").status, 0);
  EXPECT_THAT(changes(), ElementsAre("usr"));
  EXPECT_EQ(mtime(upper()), 1'000'000'000'007);
}

TEST_F(MountsTest, DirectoryThatTheStepChangedKeepsItsTime) {
  write("usr/share/x", "");
  const std::array<timespec, 2> times{{{1000, 0}, {1000, 7}}};
  ::utimensat(AT_FDCWD, (lower() / "usr/share").c_str(), times.data(), 0);
  add(host(), "/usr/share/in");
  EXPECT_EQ(shell("rm /usr/share/x").status, 0);
  EXPECT_THAT(changes(), ElementsAre("usr", "usr/share", "usr/share/x"));
  EXPECT_GT(mtime(upper() / "usr/share"), 1'000'000'000'007);
}

TEST_F(MountsTest, ResolvConfThatIsALink) {
  fs::create_symlink("../run/resolvd/stub.conf", lower() / "etc/resolv.conf");
  EXPECT_EQ(shell("cat /etc/resolv.conf > /seen; readlink /etc/resolv.conf").out, "../run/resolvd/stub.conf\n");
  EXPECT_THAT(changes(), ElementsAre("seen"));
  EXPECT_EQ(read_file(upper() / "seen"), read_file("/etc/resolv.conf"));
}

TEST_F(MountsTest, LinkInTheTargetStaysInTheRoot) {
  fs::create_symlink("/etc", lower() / "outside");
  fs::create_symlink("../../../../../../../../tmp", lower() / "up");
  add(host(), "/outside/dlc-sandbox-test");
  add(host(), "/up/dlc-sandbox-test/../inner");
  EXPECT_EQ(shell("cat /etc/dlc-sandbox-test/f /tmp/inner/f").out, "content\ncontent\n");
  EXPECT_FALSE(fs::exists("/etc/dlc-sandbox-test"));
  EXPECT_FALSE(fs::exists("/tmp/dlc-sandbox-test"));
  EXPECT_FALSE(fs::exists("/tmp/inner"));
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, LinkLoopIsAnError) {
  fs::create_symlink("b", lower() / "a");
  fs::create_symlink("a", lower() / "b");
  add(host(), "/a/x");
  EXPECT_THROW(shell("true"), Error);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(MountsTest, TypesMustFit) {
  add(host(), "/etc/passwd");
  EXPECT_THROW(shell("true"), Error);
  spec.mounts.clear();
  add(host() / "f", "/etc");
  EXPECT_THROW(shell("true"), Error);
  EXPECT_THAT(changes(), IsEmpty());
}

// CVE-2024-23652: the step puts a link where a mount point's parent was; taking the mount point away must not follow
// it.
TEST_F(MountsTest, MountPointBehindASwappedParent) {
  const fs::path victim = directory_.path() / "victim";
  fs::create_directories(victim / "point");
  add(host(), "/parent/point");
  EXPECT_EQ(shell("mv /parent /moved && ln -s " + victim.string() + " /parent").status, 0);
  EXPECT_TRUE(fs::exists(victim / "point"));
  EXPECT_THAT(changes(), ElementsAre("moved", "moved/point", "parent"));
}

// CVE-2024-1753 and CVE-2024-23651: the source is fixed when the container is described, not when it is mounted.
TEST_F(MountsTest, SourceIsPinned) {
  add(host() / "sub", "/in", false);
  EXPECT_EQ(shell("echo x > /in/a").status, 0);
  EXPECT_TRUE(fs::exists(host() / "sub/a"));
}

// CVE-2021-30465: a parent of a mount target is swapped for a link by a step that shares a cache.
TEST_F(MountsTest, TargetInASharedMountThatHoldsALink) {
  const fs::path victim = directory_.path() / "victim";
  fs::create_directories(victim);
  fs::create_symlink(victim, host() / "link");
  add(host(), "/cache", false);
  add(host() / "f", "/cache/link/planted");
  try {
    shell("true");
  } catch (const Error&) {
    // Refusing is fine too.
  }
  EXPECT_TRUE(fs::is_empty(victim));
}

TEST_F(MountsTest, MissingSourceIsAnError) {
  add(host() / "nothing", "/in");
  try {
    shell("true");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_THAT(error.what(), HasSubstr("nothing"));
  }
}

TEST_F(MountsTest, OverlayOfManyLowersWithLongNames) {
  std::vector<fs::path> lowers;
  const fs::path base = directory_.path() / std::string(200, 'x') / "a:b,c\\d";
  for (int i = 0; i < 150; ++i) {
    const fs::path lower = base / (std::string(40, 'l') + std::to_string(i));
    fs::create_directories(lower);
    std::ofstream(lower / ("file" + std::to_string(i))) << i;
    lowers.push_back(lower);
  }
  const OverlayMount mount({.lowers = lowers, .upper = upper(), .work = spec.work});
  EXPECT_EQ(read_file(mount.path() / "file0"), "0");
  EXPECT_EQ(read_file(mount.path() / "file149"), "149");
}

TEST_F(MountsTest, OverlayOfOneLowerIsReadOnly) {
  fs::path path;
  {
    const OverlayMount mount({.lowers = {lower()}, .upper = {}, .work = {}});
    path = mount.path();
    EXPECT_TRUE(fs::exists(path / "etc/passwd"));
    EXPECT_FALSE(std::ofstream(path / "new").is_open());
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(MountsTest, UpperOnAnOverlayIsUnsupported) {
  const OverlayMount mount({.lowers = {lower()}, .upper = upper(), .work = spec.work});
  fs::create_directories(mount.path() / "u");
  fs::create_directories(mount.path() / "w");
  try {
    const OverlayMount inner({.lowers = {lower()}, .upper = mount.path() / "u", .work = mount.path() / "w"});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported) << error.what();
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST_F(MountsTest, NothingIsLeftInTheRunDirectory) {
  add(host(), "/in");
  shell("true");
  for (const auto& entry : fs::directory_iterator(run_directory())) {
    EXPECT_THAT(entry.path().filename().string(), ::testing::AnyOf("empty", "crun")) << entry.path();
  }
}

}  // namespace
}  // namespace dlc::sandbox
