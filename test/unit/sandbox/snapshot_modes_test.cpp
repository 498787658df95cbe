// The same steps on stores that stack their snapshots in different ways: the layers must be the same bytes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "sandbox/merged_root.h"
#include "sandbox/overlay.h"
#include "store/store.h"
#include "unit/sandbox/fixture.h"

namespace dlc::sandbox {
namespace {

namespace fs = std::filesystem;
using store::SnapshotMode;

constexpr const char* kBase = R"(
  mkdir -p etc usr/bin tmp data/deep/er data/tree/a/b empty
  chmod 1777 tmp; chmod 0700 data
  echo root:x:0:0 > etc/passwd; echo hosts > etc/hosts; chown 12:34 etc/hosts
  echo tool > usr/bin/tool; chmod 4755 usr/bin/tool
  echo pair > usr/bin/pair; ln usr/bin/pair usr/bin/twin
  ln usr/bin/tool usr/bin/alias; ln -s tool usr/bin/link
  mkfifo etc/pipe; mknod etc/null c 1 3; mknod etc/loop b 7 0
  echo a > data/a; echo b > data/b; echo c > data/deep/er/c; echo d > data/tree/a/b/d; : > data/nothing
  setfattr -n user.colour -v blue data/a
  setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 usr/bin/tool
  truncate -s 3M data/sparse; echo end >> data/sparse)";

struct Step {
  const char* what;
  const char* script;
};

constexpr Step kSteps[] = {
    {"removed", "rm data/deep/er/c etc/null; rmdir empty"},
    {"changed", "echo more >> data/a; chmod 600 data/b; chown 5:6 etc/pipe; setfattr -x user.colour data/a"},
    {"directory made again", "rm -r data; mkdir -p data/deep/x; echo a2 > data/a"},
    {"equal files in a directory made again", "cp -a data keep; rm -r data; mv keep data"},
    {"file for directory and back", "rm -r data/tree; echo f > data/tree; rm data/b; mkdir data/b; echo x > data/b/x"},
    {"link for a file", "rm etc/hosts; ln -s passwd etc/hosts; ln -sfn other usr/bin/link"},
    {"came and went",
     "echo x > tmp/x; rm tmp/x; mkdir data/n; rmdir data/n; chmod 600 data/b; chmod 644 data/b; : >> data/a"},
    {"new name of a linked file", "ln usr/bin/tool usr/bin/third"},
    {"one of two names written", "echo changed > usr/bin/twin"},
    {"one of two names removed", "rm usr/bin/alias"},
    {"all names to another owner", "chown -h -R 7:8 usr"},
    {"new links, devices, sockets", "echo l > tmp/l; ln tmp/l data/l; mknod tmp/dev b 8 1; mkfifo tmp/fifo"},
    {"directory moved", "mkdir new; cp -a data/tree new/tree; rm -r data/tree"},
    {"only attributes", "setfattr -n user.x -v y data; chmod 0711 data/deep; touch -d @5 usr/bin/tool"},
    {"touched", "touch -d @77 data/b"},
    {"same content, size and time, new file", "cp -a data/b data/b2; rm data/b; mv data/b2 data/b"},
    {"content of equal size and time", "cp -a data/a t; echo A > data/a; touch -r t data/a; rm t"},
    {"capability", "cp -a usr/bin/tool usr/bin/copy; chmod 755 usr/bin/copy"},
    {"the root's own mode", "chmod 0700 .; echo r > r"},
    {"odd names", "echo 1 > $'data/a\\nb'; echo 2 > 'data/ä ,:'; mkdir 'data/=;'"},
};

void shell(const std::string& script, const fs::path& directory) {
  CommandOptions options;
  options.directory = directory.string();
  const auto result = run_command({"/bin/bash", "-euc", "umask 022; " + script}, options);
  ASSERT_EQ(result.status, 0) << result.error << "\nin: " << script;
}

/// One store in one mode.
class Side {
 public:
  Side(const fs::path& directory, SnapshotMode mode)
      : store_(store::Store::open(directory, [mode](const fs::path&) { return mode; })) {}

  store::Layer step(const codec::Digest& parent, const std::string& script) {
    auto snapshot = store_->layers().begin(parent);
    OverlayMount mount({.lowers = store_->layers().lowers(parent),
                        .upper = snapshot.upper(),
                        .work = snapshot.work(),
                        .mode = store_->layers().mode()});
    shell(script, mount.path());
    mount.finish();
    store::CommitOptions options;
    options.epoch = 1'000'000'000;
    options.compression.threads = 1;
    return store_->layers().commit(std::move(snapshot), parent, options);
  }

  [[nodiscard]] std::string paths(const store::Layer& layer) {
    std::string text;
    for (const auto& entry : store_->layers().index(layer.diff_id)) {
      text += std::string(1, entry.type) + " " + entry.path + " " + std::to_string(entry.mode) + " " +
              std::to_string(entry.uid) + " " + std::to_string(entry.mtime) + " " + entry.link + "\n";
    }
    return text;
  }

  store::Store& store() { return *store_; }

 private:
  std::unique_ptr<store::Store> store_;
};

class SnapshotModes : public ::testing::TestWithParam<SnapshotMode> {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() == 0) {
      enter_private_namespace();
    }
  }
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
  }

  TemporaryDirectory directory_{"/var/tmp", "snapshot-modes,:"};
  Side native_{directory_.path() / "native", SnapshotMode::trusted};
  Side other_{directory_.path() / "other", GetParam()};
};

TEST_P(SnapshotModes, each_step_gives_the_same_layer_as_overlayfs) {
  const auto base = native_.step({}, kBase);
  const auto other_base = other_.step({}, kBase);
  ASSERT_EQ(native_.paths(base), other_.paths(other_base));
  ASSERT_EQ(base.diff_id, other_base.diff_id);
  for (const auto& [what, script] : kSteps) {
    SCOPED_TRACE(what);
    const auto layer = native_.step(base.chain_id, script);
    const auto other = other_.step(base.chain_id, script);
    EXPECT_EQ(native_.paths(layer), other_.paths(other));
    EXPECT_EQ(layer.diff_id, other.diff_id);
  }
}

TEST_P(SnapshotModes, steps_over_steps_and_over_unpacked_layers_too) {
  auto native = native_.step({}, kBase);
  auto other = other_.step({}, kBase);
  for (const auto& [what, script] :
       {Step{"", "rm -r data/deep; rm etc/hosts usr/bin/alias"},
        Step{"", "mkdir data/deep; echo new > data/deep/new; echo again > etc/hosts"},
        Step{"", "ls data/deep > list; ls -a usr/bin etc >> list; rm -r data; echo data > data"},
        Step{"", "rm data; mkdir data; stat -c '%n %F %a %u %g %s' etc/* usr/bin/* data >> list"}}) {
    native = native_.step(native.chain_id, script);
    other = other_.step(other.chain_id, script);
    ASSERT_EQ(native_.paths(native), other_.paths(other)) << script;
    ASSERT_EQ(native.diff_id, other.diff_id) << script;
  }
  Side fresh(directory_.path() / "fresh", GetParam());
  codec::Digest parent;
  for (const auto& layer : native_.store().layers().chain(native.chain_id)) {
    static_cast<void>(fresh.store().blobs().put(native_.store().blobs().read(layer.blob)));
    oci::Descriptor descriptor;
    descriptor.media_type = layer.media_type;
    descriptor.digest = layer.blob;
    descriptor.size = layer.blob_size;
    parent = fresh.store()
                 .layers()
                 .unpack(fresh.store().layers().adopt(parent, layer.diff_id, descriptor).chain_id)
                 .chain_id;
  }
  const char* last = "names=$(find . -xdev | sort); { echo \"$names\"; cat list; } > all";
  EXPECT_EQ(native_.step(native.chain_id, last).diff_id, fresh.step(parent, last).diff_id);
}

TEST_P(SnapshotModes, a_view_shows_the_chain_and_cannot_be_changed_into_it) {
  const auto base = other_.step({}, kBase);
  const auto top = other_.step(base.chain_id, "rm data/b; echo more >> data/a");
  const TemporaryDirectory place(directory_.path(), "view-");
  const OverlayMount view(
      {.lowers = other_.store().layers().lowers(top.chain_id), .upper = {}, .work = place.path(), .mode = GetParam()});
  EXPECT_EQ(read_file(view.path() / "data/a"), "a\nmore\n");
  EXPECT_FALSE(fs::exists(view.path() / "data/b"));
  struct stat status{};
  ASSERT_EQ(::lstat((view.path() / "etc/hosts").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 12U);
}

TEST_P(SnapshotModes, a_name_that_means_removal_cannot_be_kept) {
  const auto base = other_.step({}, kBase);
  auto snapshot = other_.store().layers().begin(base.chain_id);
  OverlayMount mount({.lowers = other_.store().layers().lowers(base.chain_id),
                      .upper = snapshot.upper(),
                      .work = snapshot.work(),
                      .mode = GetParam()});
  const auto made = run_command(
      {"/bin/sh", "-c", "mkdir -p '" + mount.path().string() + "/n' && : > '" + mount.path().string() + "/n/.wh.x'"});
  ASSERT_EQ(made.status, 0);
  EXPECT_THROW(mount.finish(), Error);
}

/// In the process that `a_user_namespace_gives_the_same_layers` starts: root of a user namespace.
constexpr const char* kInside = "DLC_TEST_LAYERS";
bool makes_devices(const std::string& script) {
  return script.find("mknod") != std::string::npos;
}

TEST(SnapshotModesInside, steps_of_a_user) {
  const char* directory = std::getenv(kInside);
  if (directory == nullptr) {
    GTEST_SKIP() << "started by another test";
  }
  enter_private_namespace();
  const fs::path place(directory);
  Side side(place / "user", choose_snapshot_mode(place));
  ASSERT_EQ(side.store().layers().mode(), SnapshotMode::user);
  oci::Descriptor descriptor;
  descriptor.media_type = oci::kLayerGzipType;
  const auto blob = read_file(place / "base");
  descriptor.digest = side.store().blobs().put(blob);
  descriptor.size = blob.size();
  const auto lines = read_file(place / "digests");
  std::size_t at = lines.find('\n');
  const auto diff = codec::Digest::parse(lines.substr(0, at));
  const auto base = side.store().layers().unpack(side.store().layers().adopt({}, diff, descriptor).chain_id);
  for (const auto& [what, script] : kSteps) {
    if (makes_devices(script)) {
      continue;
    }
    SCOPED_TRACE(what);
    const auto begin = at + 1;
    at = lines.find('\n', begin);
    EXPECT_EQ(side.step(base.chain_id, script).diff_id.str(), lines.substr(begin, at - begin));
  }
}

/// Root can give a process any map; newuidmap is for others.
int run_in_namespace(const char* filter) {
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0 || ::pipe2(go.data(), O_CLOEXEC) != 0) {
    throw system_error("pipe");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    ::close(go[1]);
    const bool alone = ::unshare(CLONE_NEWUSER) == 0;
    (void)!::write(ready[1], "r", 1);
    if (!alone || ::read(go[0], &byte, 1) != 1 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
      ::_exit(3);
    }
    ::execl("/proc/self/exe", "test_sandbox", filter, nullptr);
    ::_exit(4);
  }
  ::close(go[0]);
  char byte = 0;
  (void)!::read(ready[0], &byte, 1);
  for (const char* name : {"uid_map", "gid_map"}) {
    const UniqueFd map = open_file("/proc/" + std::to_string(child) + "/" + name, O_WRONLY);
    write_full(map.get(), std::string_view("0 200000 65536\n"), name);
  }
  (void)!::write(go[1], "g", 1);
  ::close(go[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  return status;
}

TEST(SnapshotModesOutside, a_user_namespace_gives_the_same_layers) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  enter_private_namespace();
  const TemporaryDirectory directory("/var/tmp", "snapshot-user-");
  Side native(directory.path() / "native", SnapshotMode::trusted);
  const auto base = native.step({}, kBase);
  std::string lines = base.diff_id.str() + "\n";
  for (const auto& [what, script] : kSteps) {
    if (!makes_devices(script)) {
      lines += native.step(base.chain_id, script).diff_id.str() + "\n";
    }
  }
  const auto place = directory.path() / "shared";
  fs::create_directory(place);
  write_file_atomically(place / "base", native.store().blobs().read(base.blob));
  write_file_atomically(place / "digests", lines);
  ASSERT_EQ(::chown(place.c_str(), 200000, 200000), 0);
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  ASSERT_EQ(::setenv(kInside, place.c_str(), 1), 0);
  EXPECT_EQ(run_in_namespace("--gtest_filter=SnapshotModesInside.*"), 0);
  ::unsetenv(kInside);
}

class CopiedRun : public SandboxTest {};

TEST_F(CopiedRun, a_container_on_a_copy_leaves_its_changes_and_nothing_else) {
  spec.snapshots = SnapshotMode::copy;
  spec.mounts = {{.source = (directory_.path() / "lower").string(), .target = "/mnt/deep/lower"}};
  const auto outcome = shell("echo x > /tmp/x; rm /etc/group; test -e /mnt/deep/lower/bin/busybox; hostname");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "buildkitsandbox\n");
  EXPECT_EQ(changes(), (std::vector<std::string>{"etc", "etc/.wh.group", "tmp", "tmp/x"}));
  EXPECT_TRUE(fs::exists(lower() / "etc/group"));
}

INSTANTIATE_TEST_SUITE_P(All, SnapshotModes, ::testing::Values(SnapshotMode::copy),
                         [](const auto& tested) { return std::string(store::to_string(tested.param)); });

}  // namespace
}  // namespace dlc::sandbox
