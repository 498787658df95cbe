// What the store remembers, and what of it survives closing, another process and another boot.
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <ctime>
#include <thread>

#include "base/error.h"
#include "store/database.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RecordsTest : public StoreTest {
 protected:
  Records& records() { return store().records(); }
  static Digest digest(const std::string& text) { return codec::sha256(text); }

  // As if the machine had gone down and come up again.
  void reboot() {
    store_.reset();
    {
      Database database(directory_.path() / "store" / "db.sqlite");
      database.run("UPDATE meta SET value='another boot' WHERE key='boot'");
    }
    reopen();
  }
};

TEST_F(RecordsTest, steps_are_found_under_both_keys) {
  const StepRecord definition{digest("d"), digest("op"), digest("result"), 1234, R"({"why":"x"})"};
  auto content = definition;
  content.key = digest("c");
  EXPECT_FALSE(records().find_step(definition.key));
  EXPECT_FALSE(records().knows_operation(definition.operation));
  records().put_step(definition, content);
  for (const auto& key : {definition.key, content.key}) {
    const auto found = records().find_step(key);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->key, key);
    EXPECT_EQ(found->operation, definition.operation);
    EXPECT_EQ(found->result, definition.result);
    EXPECT_EQ(found->cost_ms, 1234U);
    EXPECT_EQ(found->inputs, definition.inputs);
  }
  EXPECT_TRUE(records().knows_operation(definition.operation));
  records().put_step(StepRecord{digest("d"), digest("op"), digest("newer"), 1, ""}, StepRecord{});
  EXPECT_EQ(records().find_step(digest("d"))->result, digest("newer"));
  EXPECT_FALSE(records().find_step(Digest()));
}

TEST_F(RecordsTest, the_last_step_of_a_name) {
  EXPECT_FALSE(records().last_step("image 3/7"));
  const StepRecord step{digest("k"), digest("op"), digest("r"), 0, ""};
  records().put_step(step, {});
  records().set_last_step("image 3/7", step.key);
  EXPECT_EQ(records().last_step("image 3/7")->key, step.key);
}

TEST_F(RecordsTest, tags_move_and_go) {
  const auto one = store().blobs().put("manifest one");
  const auto two = store().blobs().put("manifest two");
  records().tag("a:1", one);
  records().tag("b:1", one);
  records().tag("a:1", two);
  EXPECT_EQ(records().find_image("a:1")->manifest, two);
  EXPECT_NEAR(static_cast<double>(records().find_image("a:1")->updated), static_cast<double>(std::time(nullptr)), 5);
  ASSERT_EQ(records().images().size(), 2U);
  EXPECT_EQ(records().images()[1].name, "b:1");
  EXPECT_TRUE(records().untag("b:1"));
  EXPECT_FALSE(records().untag("b:1"));
  EXPECT_FALSE(records().find_image("b:1"));
  EXPECT_THROW(records().tag("", one), Error);
  reopen();
  EXPECT_EQ(records().images().size(), 1U);
}

TEST_F(RecordsTest, file_digests_are_kept_unless_the_clock_could_hide_a_change) {
  const std::int64_t now = std::time(nullptr) * 1'000'000'000LL;
  const FileStamp old{1, 2, 3, now - 10'000'000'000, now - 10'000'000'000};
  const FileStamp racy{1, 3, 3, now - 10'000'000'000, now + 1'000'000'000};
  const std::vector<std::pair<FileStamp, Digest>> both{{old, digest("old")}, {racy, digest("racy")}};
  records().put_file_digests(both);
  EXPECT_EQ(records().file_digest(old), digest("old"));
  EXPECT_FALSE(records().file_digest(racy));
  for (auto FileStamp::* field : {&FileStamp::device, &FileStamp::inode, &FileStamp::size}) {
    auto other = old;
    ++(other.*field);
    EXPECT_FALSE(records().file_digest(other));
  }
  auto touched = old;
  ++touched.ctime_ns;
  EXPECT_FALSE(records().file_digest(touched));
}

TEST_F(RecordsTest, values_by_name) {
  EXPECT_FALSE(records().value("k"));
  records().set_value("k", std::string("v\0w", 3));
  records().set_value("k", std::string("v\0x", 3));
  EXPECT_EQ(records().value("k"), std::string("v\0x", 3));
}

TEST_F(RecordsTest, after_a_reboot_tagged_work_is_whole_and_the_rest_is_verified) {
  const auto kept = step({}, "echo kept > kept");
  records().put_step({digest("kept"), digest("op"), kept.chain_id, 0, ""}, {});
  records().tag("image:1", store().blobs().put("manifest"));
  const auto unflushed = step(kept.chain_id, "echo more > more");
  const auto torn = step(kept.chain_id, "echo torn > torn");
  records().put_step({digest("unflushed"), digest("op"), unflushed.chain_id, 0, ""}, {});
  records().put_step({digest("torn"), digest("op"), torn.chain_id, 0, ""}, {});
  write_file_atomically(store().blobs().path_of(torn.blob), "");  // as a power cut leaves it
  reboot();
  EXPECT_TRUE(store().layers().find(kept.chain_id)->unpacked);
  EXPECT_TRUE(records().find_step(digest("kept")));
  EXPECT_EQ(merged(kept.chain_id).count("kept"), 1U);
  ASSERT_TRUE(store().layers().find(unflushed.chain_id));
  EXPECT_FALSE(store().layers().find(unflushed.chain_id)->unpacked);
  EXPECT_TRUE(records().find_step(digest("unflushed")));
  EXPECT_TRUE(store().layers().unpack(unflushed.chain_id).unpacked);
  EXPECT_EQ(merged(unflushed.chain_id).count("more"), 1U);
  EXPECT_FALSE(store().blobs().contains(torn.blob));
  EXPECT_FALSE(store().layers().find(torn.chain_id));
  EXPECT_FALSE(records().find_step(digest("torn")));
  EXPECT_TRUE(store().blobs().contains(records().find_image("image:1")->manifest));
}

TEST_F(RecordsTest, a_lost_or_damaged_database_comes_back_from_the_files) {
  const auto below = step({}, "echo a > a");
  const auto layer = step(below.chain_id, "echo b > b");
  const auto manifest = store().blobs().put("manifest");
  records().tag("image:1", manifest);
  for (const bool damaged : {false, true}) {
    store_.reset();
    const auto file = directory_.path() / "store" / "db.sqlite";
    if (damaged) {
      write_file_atomically(file, std::string(8192, 'x'));
    } else {
      std::filesystem::remove(file);
    }
    for (const char* suffix : {"-wal", "-shm"}) {
      std::filesystem::remove(file.string() + suffix);
    }
    reopen();
    EXPECT_EQ(records().find_image("image:1")->manifest, manifest);
    const auto found = store().layers().find(layer.chain_id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->blob, layer.blob);
    EXPECT_EQ(found->parent, below.chain_id);
    EXPECT_EQ(found->size, layer.size);
    EXPECT_EQ(merged(layer.chain_id).count("b"), 1U);
    EXPECT_TRUE(store().check(true).size() == 1) << "only the manifest of this test is no manifest";
  }
}

TEST_F(RecordsTest, a_newer_database_or_format_is_refused_with_both_numbers) {
  const auto directory = directory_.path() / "store";
  store_.reset();
  {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open((directory / "db.sqlite").c_str(), &raw), SQLITE_OK);
    sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
    sqlite3_close(raw);
  }
  try {
    (void)Store::open(directory);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("99"));
  }
  write_file_atomically(directory / "format", R"({"format":7})");
  try {
    (void)Store::open(directory);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("format 7"));
  }
  write_file_atomically(directory / "format", "{");
  EXPECT_THROW((void)Store::open(directory), Error);
}

TEST_F(RecordsTest, threads_share_one_database) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        const auto key = digest(std::to_string(thread) + "/" + std::to_string(i));
        records().put_step({key, digest("op"), key, 1, ""}, {});
        EXPECT_EQ(records().find_step(key)->result, key);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(records().find_step(digest("3/49")));
}

TEST_F(RecordsTest, a_failed_transaction_leaves_nothing) {
  Database database(directory_.path() / "own.sqlite");
  EXPECT_THROW(database.transaction([&] {
    database.run("INSERT INTO named_values VALUES('a', 'b')");
    throw Error(ErrorKind::failed, "no");
  }),
               Error);
  int rows = 0;
  database.query("SELECT * FROM named_values", {}, [&](const auto&) { ++rows; });
  EXPECT_EQ(rows, 0);
  EXPECT_THROW(database.run("no SQL"), Error);
  EXPECT_EQ(database.integrity(), "");
}

}  // namespace
}  // namespace dlc::store::test
