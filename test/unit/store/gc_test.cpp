// gc beside other runs: what it leaves to whom. Rows are made old by hand; the times of files cannot be.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "base/error.h"
#include "store/database.h"
#include "store/lease.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

using ::testing::IsEmpty;

class Gc : public StoreTest {
 protected:
  void sql(const std::string& text) { Database(store().directory() / "db.sqlite").run(text); }
  void age_rows() {
    sql("UPDATE steps SET used=1");
    sql("UPDATE layers SET created=1");
  }
  /// Every file counts as old, whoever is at work: only what is pinned stays.
  void age_files() { sql("UPDATE runs SET since=1000000000000"); }
  std::int64_t runs() {
    std::int64_t count = 0;
    Database(store().directory() / "db.sqlite").query("SELECT count(*) FROM runs", {}, [&](const auto& row) {
      count = row.integer(0);
    });
    return count;
  }
  Layer recorded_step(const std::string& name) {
    const auto layer = step({}, "echo " + name + " > file");
    store().records().put_step({codec::sha256(name), codec::sha256("o"), layer.chain_id, 0, ""}, {});
    return layer;
  }
  Digest tag(const std::string& name, const Layer& layer) {
    oci::ImageConfig config;
    config.diff_ids = {layer.diff_id};
    oci::Manifest manifest;
    const auto text = oci::to_json(config);
    manifest.config.media_type = oci::kConfigType;
    manifest.config.digest = store().blobs().put(text);
    manifest.config.size = text.size();
    oci::Descriptor descriptor;
    descriptor.media_type = layer.media_type;
    descriptor.digest = layer.blob;
    descriptor.size = layer.blob_size;
    manifest.layers = {descriptor};
    const auto digest = store().blobs().put(oci::to_json(manifest));
    store().records().tag(name, digest);
    return digest;
  }
};

/// Another process on the same store, which does one thing after the other as it is told.
class Other {
 public:
  Other(const std::filesystem::path& directory, const std::vector<std::function<bool(Store&)>>& parts) {
    if (::pipe2(go_.data(), 0) != 0 || ::pipe2(done_.data(), 0) != 0) {
      throw system_error("pipe");
    }
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(go_[1]);
      int status = 1;
      try {
        auto store = Store::open(directory);
        status = 0;
        char byte = 'r';
        (void)!::write(done_[1], &byte, 1);
        for (const auto& part : parts) {
          if (::read(go_[0], &byte, 1) != 1) {
            break;
          }
          byte = part(*store) ? 'y' : 'n';
          (void)!::write(done_[1], &byte, 1);
        }
        (void)!::read(go_[0], &byte, 1);
      } catch (const std::exception& error) {
        (void)!::write(2, error.what(), std::string(error.what()).size());
        status = 1;
      }
      ::_exit(status);
    }
    ::close(go_[0]);
    ::close(done_[1]);
    EXPECT_EQ(answer(), 'r');
  }
  ~Other() {
    end(0);
    ::close(done_[0]);
  }
  bool next() {
    (void)!::write(go_[1], "g", 1);
    return answer() == 'y';
  }
  void end(int signal) {
    if (pid_ > 0) {
      if (signal != 0) {
        ::kill(pid_, signal);
      }
      ::close(go_[1]);
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
    }
  }

 private:
  char answer() {
    char byte = 0;
    (void)!::read(done_[0], &byte, 1);
    return byte;
  }
  pid_t pid_ = -1;
  std::array<int, 2> go_{}, done_{};
};

TEST_F(Gc, an_old_step_that_another_run_found_stays_with_its_result) {
  const auto found = recorded_step("found");
  const auto other_step = recorded_step("other");
  age_rows();
  Other other(store().directory(), {[&](Store& s) { return s.records().find_step(codec::sha256("found")).has_value(); },
                                    [&](Store& s) {
                                      const auto layer = s.layers().find(found.chain_id);
                                      return layer && layer->unpacked && s.blobs().contains(layer->blob) &&
                                             std::filesystem::exists(s.layers().lowers(found.chain_id).at(0) / "file");
                                    },
                                    [&](Store& s) { return !s.records().find_step(codec::sha256("other")); }});
  EXPECT_TRUE(other.next());
  (void)store().gc(0, false);
  EXPECT_TRUE(other.next());
  EXPECT_TRUE(other.next());
  EXPECT_FALSE(store().layers().find(other_step.chain_id));
  other.end(0);
  (void)store().gc(0, false);
  EXPECT_FALSE(store().layers().find(found.chain_id));
  EXPECT_EQ(store().usage().reclaimable, 0U);
}

TEST_F(Gc, a_step_that_was_swept_is_not_found_and_can_be_made_again) {
  const auto layer = recorded_step("step");
  age_rows();
  Other other(store().directory(), {[&](Store& s) {
                if (s.records().find_step(codec::sha256("step"))) {
                  return false;
                }
                auto snapshot = s.layers().begin({});
                write_file_atomically(snapshot.upper() / "file", "step\n");
                const auto again = s.layers().commit(std::move(snapshot), {}, options_of(1));
                return std::filesystem::exists(s.layers().lowers(again.chain_id).at(0) / "file");
              }});
  (void)store().gc(0, false);
  EXPECT_TRUE(other.next());
  EXPECT_FALSE(store().layers().find(layer.chain_id));
}

TEST_F(Gc, an_image_in_use_stays_when_its_name_goes) {
  const auto layer = step({}, "echo image > file");
  tag("image:1", layer);
  Other other(store().directory(),
              {[&](Store& s) { return s.records().find_image("image:1").has_value(); },
               [&](Store& s) { return std::filesystem::exists(s.layers().lowers(layer.chain_id).at(0) / "file"); }});
  EXPECT_TRUE(other.next());
  store().records().untag("image:1");
  age_rows();
  age_files();
  EXPECT_EQ(store().gc(0, false).snapshots, 0U);
  EXPECT_TRUE(other.next());
  other.end(0);
  EXPECT_EQ(store().gc(0, false).snapshots, 1U);
  EXPECT_EQ(store().usage().blobs, 0U);
}

TEST_F(Gc, what_is_younger_than_the_oldest_live_run_stays) {
  Other other(store().directory(), {});
  const auto layer = step({}, "echo young > file");
  EXPECT_EQ(store().gc(0, false).blobs, 0U);
  EXPECT_TRUE(store().layers().find(layer.chain_id));
  EXPECT_EQ(store().usage().reclaimable, 0U);
  other.end(0);
  EXPECT_EQ(store().gc(0, false).blobs, 1U);
}

TEST_F(Gc, the_lease_of_a_killed_run_is_dropped) {
  const auto layer = step({}, "echo image > file");
  tag("image:1", layer);
  Other other(store().directory(), {[](Store& s) { return s.records().find_image("image:1").has_value(); }});
  EXPECT_TRUE(other.next());
  EXPECT_EQ(runs(), 2);
  other.end(SIGKILL);
  EXPECT_EQ(runs(), 2) << "nobody cleaned up";
  store().records().untag("image:1");
  EXPECT_EQ(store().gc(0, true).snapshots, 1U);
  EXPECT_EQ(runs(), 2) << "a dry run changes nothing";
  EXPECT_EQ(store().gc(0, false).snapshots, 1U);
  EXPECT_EQ(runs(), 1);
}

TEST_F(Gc, a_file_that_is_there_is_given_a_new_time_before_it_is_relied_on) {
  const auto file = store().directory() / "file";
  write_file_atomically(file, "x");
  struct stat before{};
  ASSERT_EQ(::lstat(file.c_str(), &before), 0);
  const std::int64_t ctime = before.st_ctim.tv_sec * 1'000'000'000 + before.st_ctim.tv_nsec;
  EXPECT_TRUE(keep_file(store().directory(), file, ctime));
  {
    const UniqueFd sweeping = lock_sweep(store().directory(), Sweep::removing);
    EXPECT_TRUE(keep_file(store().directory(), file, ctime)) << "young: needs no lock";
    const UniqueFd lock = open_file((store().directory() / "locks" / "sweep.lock").string(), O_RDWR);
    EXPECT_NE(::flock(lock.get(), LOCK_SH | LOCK_NB), 0) << "an old one has to wait";
  }
  EXPECT_TRUE(keep_file(store().directory(), file, ctime + 1));
  struct stat after{};
  ASSERT_EQ(::lstat(file.c_str(), &after), 0);
  EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
  EXPECT_FALSE(keep_file(store().directory(), store().directory() / "none", 0));
}

TEST_F(Gc, sweeps_and_steps_of_many_processes_at_once) {
  std::vector<pid_t> pids;
  for (int worker = 0; worker < 3; ++worker) {
    pids.push_back(::fork());
    if (pids.back() == 0) {
      int status = 0;
      try {
        for (int i = 0; i < 15; ++i) {
          auto own = Store::open(store().directory());
          const auto key = codec::sha256("shared" + std::to_string(i % 3));
          auto record = own->records().find_step(key);
          if (!record) {
            auto snapshot = own->layers().begin({});
            write_file_atomically(snapshot.upper() / "file", std::to_string(i % 3));
            const auto layer = own->layers().commit(std::move(snapshot), {}, options_of(1));
            own->records().put_step({key, codec::sha256("o"), layer.chain_id, 0, ""}, {});
            record = StepRecord{key, {}, layer.chain_id, 0, ""};
          }
          const auto layer = own->layers().find(record->result);
          if (!layer || !own->blobs().contains(layer->blob) ||
              read_file(own->layers().lowers(record->result).at(0) / "file") != std::to_string(i % 3)) {
            status = 1;
          }
        }
      } catch (const std::exception& error) {
        (void)!::write(2, error.what(), std::string(error.what()).size());
        status = 1;
      }
      ::_exit(status);
    }
  }
  for (int i = 0; i < 60; ++i) {
    (void)store().gc(0, false);
  }
  for (const auto pid : pids) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  (void)store().gc(0, false);
  EXPECT_THAT(store().check(true), IsEmpty());
  EXPECT_EQ(runs(), 1);
}

TEST_F(Gc, a_store_of_the_version_before_gets_its_tables) {
  const auto layer = step({}, "echo kept > file");
  tag("image:1", layer);
  store_.reset();
  const auto file = directory_.path() / "store" / "db.sqlite";
  {
    Database database(file);
    database.run("DROP TABLE runs");
    database.run("DROP TABLE pins");
    database.run("DROP TABLE referrers");
    database.run("PRAGMA user_version=1");
  }
  reopen();
  EXPECT_EQ(runs(), 1);
  EXPECT_TRUE(store().layers().find(layer.chain_id));
  EXPECT_TRUE(store().records().find_image("image:1"));
}

}  // namespace
}  // namespace dlc::store::test
