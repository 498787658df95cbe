// The store as a directory: opening, blobs, locks between processes, checking, sweeping, and what a kill leaves.
#include "store/store.h"

#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "store/database.h"
#include "store/host.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreFile : public StoreTest {
 protected:
  // Runs `work` in a child process with a store of its own on the same directory.
  template <typename Work>
  pid_t child(Work work) {
    store_.reset();  // SQLite's connections do not cross a fork
    const pid_t pid = ::fork();
    if (pid == 0) {
      int status = 1;
      try {
        auto own = Store::open(directory_.path() / "store");
        work(*own);
        own.reset();
        status = 0;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "child: %s\n", error.what());
      }
      ::_exit(status);
    }
    reopen();
    return pid;
  }

  static int wait_for(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
  }

  // A tagged image of these layers.
  Digest tag(const std::string& name, const std::vector<Layer>& layers) {
    oci::ImageConfig config;
    config.platform = oci::host_platform();
    oci::Manifest manifest;
    for (const auto& layer : layers) {
      config.diff_ids.push_back(layer.diff_id);
      oci::Descriptor descriptor;
      descriptor.media_type = layer.media_type;
      descriptor.digest = layer.blob;
      descriptor.size = layer.blob_size;
      manifest.layers.push_back(descriptor);
    }
    const std::string text = oci::to_json(config);
    manifest.config.media_type = oci::kConfigType;
    manifest.config.digest = store().blobs().put(text);
    manifest.config.size = text.size();
    const auto digest = store().blobs().put(oci::to_json(manifest));
    store().records().tag(name, digest);
    return digest;
  }
};

TEST_F(StoreFile, is_private_and_opens_again) {
  struct stat status{};
  for (const char* name : {"", "blobs", "snapshots", "index", "tmp", "locks"}) {
    ASSERT_EQ(::stat((store().directory() / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700U) << name;
  }
  const auto second = Store::open(store().directory());
  EXPECT_EQ(second->directory(), store().directory());
  write_file_atomically(directory_.path() / "plain", "");
  EXPECT_THROW((void)Store::open(directory_.path() / "plain"), Error);
}

TEST_F(StoreFile, another_users_is_refused_by_name) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  const auto path = store().directory();
  const pid_t child = ::fork();
  if (child == 0) {
    int status = ::setuid(65534) == 0 ? 1 : 2;
    try {
      (void)Store::open(path);
    } catch (const Error& error) {
      status =
          error.kind() == ErrorKind::denied && error.message() == "the store " + path.string() + " is another user's"
              ? 0
              : 3;
    }
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(StoreFile, opening_is_cheap) {
  (void)step({}, "echo a > a");
  auto best = std::chrono::microseconds::max();
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto second = Store::open(store().directory());
    EXPECT_FALSE(second->records().find_step(codec::sha256("x")));
    best =
        std::min(best, std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start));
  }
  RecordProperty("microseconds", static_cast<int>(best.count()));
  EXPECT_LT(best.count(), 20'000);  // 5 ms on an idle machine; sanitizers and neighbours take their share
}

TEST_F(StoreFile, default_directory_follows_the_environment) {
  ::setenv("DLC_STORE", "/some/where", 1);
  EXPECT_EQ(Store::default_directory(), "/some/where");
  ::unsetenv("DLC_STORE");
  EXPECT_EQ(Store::default_directory(), "/var/lib/dlc");
}

TEST_F(StoreFile, blobs_are_whole_or_not_there) {
  auto& blobs = store().blobs();
  const auto hello = blobs.put("hello");
  EXPECT_EQ(hello, codec::sha256("hello"));
  EXPECT_EQ(blobs.put("hello"), hello);
  EXPECT_EQ(blobs.read(hello), "hello");
  EXPECT_EQ(blobs.size(hello), 5U);
  EXPECT_THROW((void)blobs.read(hello, 4), Error);
  const auto other = codec::sha256("other");
  EXPECT_FALSE(blobs.contains(other));
  EXPECT_FALSE(blobs.size(other));
  EXPECT_THROW((void)blobs.open(other), Error);
  {
    const auto writer = blobs.create();
    writer->write(std::as_bytes(std::span(std::string_view("other"))));
    EXPECT_THROW((void)writer->commit(), Error);  // not finished
    writer->finish();
    EXPECT_EQ(writer->size(), 5U);
    EXPECT_THROW((void)writer->commit(hello), Error);
  }
  EXPECT_FALSE(blobs.contains(other));
  int count = 0;
  blobs.for_each([&](const Digest& digest, std::uint64_t size) {
    EXPECT_EQ(digest, hello);
    EXPECT_EQ(size, 5U);
    ++count;
  });
  EXPECT_EQ(count, 1);
  blobs.remove(hello);
  blobs.remove(hello);
  EXPECT_FALSE(blobs.contains(hello));
}

TEST_F(StoreFile, a_full_disk_is_said_with_a_way_out) {
  ::signal(SIGXFSZ, SIG_IGN);
  const auto small = directory_.path() / "small";
  std::filesystem::create_directory(small);
  ASSERT_EQ(::mount("none", small.c_str(), "tmpfs", 0, "size=2m"), 0);
  {
    const auto full = Store::open(small / "store");
    const std::string big(4U << 20, 'x');
    try {
      (void)full->blobs().put(big);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::exhausted);
      EXPECT_THAT(error.hint(), HasSubstr("dlc store gc"));
    }
    auto snapshot = full->layers().begin({});
    write_file_atomically(snapshot.upper() / "a", big.substr(0, 1U << 20));
    CommitOptions options;
    options.compression.kind = codec::Compression::none;
    EXPECT_THROW((void)full->layers().commit(std::move(snapshot), {}, options), Error);
    EXPECT_THAT(full->check(true), IsEmpty());
    EXPECT_TRUE(full->blobs().contains(full->blobs().put("there is room again")));
  }
  ::umount2(small.c_str(), MNT_DETACH);
}

TEST_F(StoreFile, two_processes_never_hold_one_step) {
  const auto key = codec::sha256("step");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t pid = child([&](Store& own) {
    const auto lock = own.lock_step(key, nullptr);
    (void)!::write(ready[1], "x", 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  });
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  std::vector<std::string> waits;
  const auto start = std::chrono::steady_clock::now();
  const auto lock = store().lock_step(key, [&](const std::string& holder) { waits.push_back(holder); });
  EXPECT_GT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_THAT(waits.front(), HasSubstr("pid " + std::to_string(pid)));
  EXPECT_EQ(wait_for(pid), 0);
  const auto another = store().lock_step(codec::sha256("another"), [&](const auto&) { ADD_FAILURE(); });
}

TEST_F(StoreFile, who_waits_for_a_step_can_be_stopped) {
  const auto key = codec::sha256("step");
  const auto held = store().lock_step(key, nullptr);
  std::stop_source stop;
  try {
    const auto lock = store().lock_step(key, [&](const std::string&) { stop.request_stop(); }, stop.get_token());
    FAIL() << "it was locked";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

TEST_F(StoreFile, threads_take_turns_on_one_step) {
  const auto key = codec::sha256("step");
  std::atomic<int> inside = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const auto lock = store().lock_step(key, nullptr);
        EXPECT_EQ(++inside, 1);
        --inside;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(
      std::vector<std::filesystem::path>(std::filesystem::directory_iterator(store().directory() / "locks/steps"), {}),
      IsEmpty());
}

TEST_F(StoreFile, what_dead_processes_left_in_tmp_is_removed_and_the_living_keep_theirs) {
  const pid_t pid = child([](Store& own) {
    const auto left = own.make_temporary_directory();
    (void)own.layers().begin({}).release();
    ::raise(SIGKILL);
  });
  const int status = wait_for(pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  const auto mine = store().make_temporary_directory();
  write_file_atomically(mine.path() / "file", "x");
  const auto second = Store::open(store().directory());
  int runs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(store().directory() / "tmp")) {
    EXPECT_EQ(entry.path(), mine.path().parent_path());
    ++runs;
  }
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(read_file(mine.path() / "file"), "x");
}

TEST_F(StoreFile, a_check_finds_what_is_damaged_or_missing) {
  const auto below = step({}, "echo a > a");
  const auto layer = step(below.chain_id, "echo b > b");
  tag("image:1", {below, layer});
  EXPECT_THAT(store().check(true), IsEmpty());
  std::filesystem::permissions(store().blobs().path_of(layer.blob), std::filesystem::perms(0600));
  write_file_atomically(store().blobs().path_of(layer.blob), "damaged");
  auto findings = store().check(true);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].what, HasSubstr(layer.blob.str()));
  EXPECT_THAT(store().check(false), IsEmpty());
  store().blobs().remove(layer.blob);
  remove_tree(store().directory() / "snapshots" / layer.chain_id.hex());
  findings = store().check(false);
  ASSERT_EQ(findings.size(), 1U) << "the missing snapshot";
  std::filesystem::create_directory(store().directory() / "snapshots" / "stray");
  write_file_atomically(store().directory() / "index" / layer.diff_id.hex(), "x");
  EXPECT_EQ(store().check(false).size(), 3U);
  store().records().tag("gone:1", codec::sha256("no such manifest"));
  EXPECT_EQ(store().check(false).size(), 4U);
}

TEST_F(StoreFile, gc_keeps_what_tags_and_young_steps_need) {
  const auto base = step({}, "echo base > base");
  const auto tagged = step(base.chain_id, "echo tagged > tagged");
  const auto loose = step(base.chain_id, "echo loose > loose");
  tag("image:1", {base, tagged});
  store().records().put_step({codec::sha256("k"), codec::sha256("o"), loose.chain_id, 0, ""}, {});
  store().records().set_last_step("name", codec::sha256("k"));
  const auto young = store().gc(3600, false);
  EXPECT_EQ(young.blobs + young.snapshots, 0U);
  EXPECT_GT(store().usage().reclaimable, 0U);
  const auto dry = store().gc(0, true);
  EXPECT_EQ(dry.blobs, 1U);
  EXPECT_EQ(dry.snapshots, 1U);
  EXPECT_TRUE(store().blobs().contains(loose.blob));
  const auto swept = store().gc(0, false);
  EXPECT_EQ(swept.bytes, dry.bytes);
  EXPECT_FALSE(store().blobs().contains(loose.blob));
  EXPECT_FALSE(store().layers().find(loose.chain_id));
  EXPECT_FALSE(store().records().find_step(codec::sha256("k")));
  EXPECT_FALSE(store().records().last_step("name"));
  EXPECT_EQ(merged(tagged.chain_id).size(), 3U);
  EXPECT_THAT(store().check(true), IsEmpty());
  EXPECT_EQ(store().usage().reclaimable, 0U);
  const auto again = step(base.chain_id, "echo loose > loose");
  EXPECT_TRUE(again.unpacked);
  store().records().untag("image:1");
  (void)store().gc(0, false);
  EXPECT_EQ(store().usage().blobs, 0U);
  EXPECT_EQ(store().usage().snapshots, 4096U);
}

// Clocks differ: the kernel's for files lags by a tick, and may say another second.
TEST_F(StoreFile, gc_of_everything_takes_what_is_newer_than_now_too) {
  const auto layer = step({}, "echo a > a");
  Database(store().directory() / "db.sqlite").run("UPDATE layers SET created=created+1000");
  EXPECT_EQ(store().gc(1, true).blobs, 0U);
  EXPECT_EQ(store().gc(0, false).blobs, 1U);
  EXPECT_FALSE(store().layers().find(layer.chain_id));
  EXPECT_THAT(store().check(true), IsEmpty());
}

TEST_F(StoreFile, processes_commit_the_same_and_different_layers_at_once) {
  std::vector<pid_t> pids;
  for (int worker = 0; worker < 4; ++worker) {
    pids.push_back(child([&, worker](Store& own) {
      for (int i = 0; i < 10; ++i) {
        for (const std::string& name : {std::to_string(i), std::to_string(worker) + "-" + std::to_string(i)}) {
          auto snapshot = own.layers().begin({});
          write_file_atomically(snapshot.upper() / name, name);
          const auto layer = own.layers().commit(std::move(snapshot), {}, options_of(1));
          own.records().put_step({codec::sha256(name), codec::sha256("o"), layer.chain_id, 0, ""}, {});
        }
        own.records().tag("w" + std::to_string(worker), own.blobs().put("m" + std::to_string(worker)));
      }
    }));
  }
  for (const pid_t pid : pids) {
    EXPECT_EQ(wait_for(pid), 0);
  }
  for (int i = 0; i < 10; ++i) {
    const auto found = store().records().find_step(codec::sha256("3-" + std::to_string(i)));
    ASSERT_TRUE(found);
    EXPECT_TRUE(store().layers().find(found->result)->unpacked);
  }
  int snapshots = 0;
  for (const auto& entry : std::filesystem::directory_iterator(store().directory() / "snapshots")) {
    snapshots += entry.is_directory() ? 1 : 0;
  }
  EXPECT_EQ(snapshots, 50);
}

// A child makes layers and tags until it is killed at a random moment; what it acknowledged through the pipe is whole.
TEST_F(StoreFile, a_kill_at_any_moment_loses_nothing_acknowledged) {
  unsigned random = 12345;
  for (int round = 0; round < 25; ++round) {
    int acknowledged[2];
    ASSERT_EQ(::pipe(acknowledged), 0);
    const pid_t pid = child([&](Store& own) {
      Digest parent;
      for (int i = 0; i < 1000; ++i) {
        auto snapshot = own.layers().begin(parent);
        write_file_atomically(snapshot.upper() / ("r" + std::to_string(round) + "-" + std::to_string(i)),
                              std::string(20000, 'x'));
        const auto layer = own.layers().commit(std::move(snapshot), parent, options_of(1));
        own.records().put_step({layer.chain_id, codec::sha256("o"), layer.chain_id, 0, ""}, {});
        (void)!::write(acknowledged[1], layer.chain_id.bytes().data(), Digest::kSize);
        parent = i % 8 == 7 ? Digest() : layer.chain_id;
      }
    });
    ::close(acknowledged[1]);
    random = random * 1664525 + 1013904223;
    std::this_thread::sleep_for(std::chrono::microseconds(3000 + random % 60000));
    ::kill(pid, SIGKILL);
    (void)wait_for(pid);
    reopen();
    std::array<std::uint8_t, Digest::kSize> bytes{};
    while (::read(acknowledged[0], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
      const auto layer = store().layers().find(Digest(bytes));
      ASSERT_TRUE(layer && layer->unpacked);
      EXPECT_TRUE(store().records().find_step(Digest(bytes)));
      EXPECT_TRUE(store().blobs().contains(layer->blob));
    }
    ::close(acknowledged[0]);
    EXPECT_THAT(store().check(true), IsEmpty());
  }
  (void)store().gc(0, false);
  EXPECT_THAT(store().check(true), IsEmpty());
}

}  // namespace
}  // namespace dlc::store::test
