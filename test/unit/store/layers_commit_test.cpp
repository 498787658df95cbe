// Layers made from real overlayfs uppers: what goes in, what stays out, and that the flattened layers are the merged
// view that the step left.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/error.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class LayersCommit : public StoreTest {
 protected:
  // Both views must agree after each step, and the chain must unpack to the same from its blobs alone.
  void expect_consistent(const Digest& chain) {
    const auto tree = merged(chain);
    EXPECT_EQ(tree, flattened(chain));
    EXPECT_EQ(tree, unpacked_elsewhere(chain));
  }

  Tree unpacked_elsewhere(const Digest& chain) {
    const TemporaryDirectory place(directory_.path(), "other-");
    auto other = Store::open(place.path());
    Digest parent;
    for (const auto& layer : store().layers().chain(chain)) {
      const auto writer = other->blobs().create();
      const std::string bytes = store().blobs().read(layer.blob);
      writer->write(std::as_bytes(std::span(bytes)));
      writer->finish();
      EXPECT_EQ(writer->commit(), layer.blob);
      oci::Descriptor descriptor;
      descriptor.media_type = layer.media_type;
      descriptor.digest = layer.blob;
      descriptor.size = layer.blob_size;
      const auto adopted = other->layers().adopt(parent, layer.diff_id, descriptor);
      EXPECT_EQ(adopted.chain_id, layer.chain_id);
      EXPECT_TRUE(other->layers().unpack(adopted.chain_id).unpacked);
      EXPECT_EQ(other->layers().index(layer.diff_id).size(), store().layers().index(layer.diff_id).size());
      parent = adopted.chain_id;
    }
    std::swap(other, store_);
    auto tree = merged(chain);
    std::swap(other, store_);
    return tree;
  }

  Layer base() {
    return step({}, R"(
      mkdir -p etc usr/bin tmp data/deep/er empty
      chmod 1777 tmp; chmod 0700 data
      echo root:x:0:0 > etc/passwd; echo hosts > etc/hosts; chown 12:34 etc/hosts
      echo tool > usr/bin/tool; chmod 4755 usr/bin/tool
      ln usr/bin/tool usr/bin/alias; ln -s tool usr/bin/link
      mkfifo etc/pipe; mknod etc/null c 1 3; mknod etc/loop b 7 0
      echo a > data/a; echo b > data/b; echo c > data/deep/er/c
      setfattr -n user.colour -v blue data/a
      touch -d @1000000000 data/a etc/hosts)");
  }
};

TEST_F(LayersCommit, a_first_layer_holds_everything_in_order) {
  const auto layer = base();
  EXPECT_THAT(paths_of(layer),
              ElementsAre("data", "data/a", "data/b", "data/deep", "data/deep/er", "data/deep/er/c", "empty", "etc",
                          "etc/hosts", "etc/loop", "etc/null", "etc/passwd", "etc/pipe", "tmp", "usr", "usr/bin",
                          "usr/bin/alias", "usr/bin/link", "usr/bin/tool"));
  expect_consistent(layer.chain_id);
  EXPECT_TRUE(layer.unpacked);
  EXPECT_EQ(layer.media_type, oci::kLayerGzipType);
  EXPECT_EQ(store().blobs().size(layer.blob), layer.blob_size);
}

TEST_F(LayersCommit, a_removed_file_becomes_a_whiteout_and_its_parents_are_named) {
  const auto below = base();
  const auto layer = step(below.chain_id, "rm data/deep/er/c; echo new > tmp/new");
  EXPECT_THAT(paths_of(layer),
              ElementsAre("data", "data/deep", "data/deep/er", "data/deep/er/.wh.c", "tmp", "tmp/new"));
  for (const auto& entry : store().layers().index(layer.diff_id)) {
    if (entry.path == "tmp") {
      EXPECT_EQ(entry.mode, 01777U);
    }
    if (entry.path == "data") {
      EXPECT_EQ(entry.mode, 0700U);
    }
  }
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, without_ancestors_only_the_changes_are_named) {
  const auto below = base();
  auto options = options_of();
  options.ancestors = false;
  const auto layer = step(below.chain_id, "rm data/deep/er/c; echo new > tmp/new", options);
  EXPECT_THAT(paths_of(layer), ElementsAre("data/deep/er/.wh.c", "tmp/new"));
}

TEST_F(LayersCommit, a_stop_request_ends_it_and_nothing_is_kept) {
  std::stop_source stop;
  stop.request_stop();
  auto options = options_of();
  options.stop = stop.get_token();
  const auto below = base();
  const auto snapshots = [this] {
    return std::distance(std::filesystem::directory_iterator(directory_.path() / "store/snapshots"), {});
  };
  EXPECT_THROW((void)step(below.chain_id, "echo new > new", options), Error);
  EXPECT_EQ(snapshots(), 1);
}
TEST_F(LayersCommit, a_directory_made_again_hides_each_old_entry_by_name) {
  const auto below = base();
  const auto layer = step(below.chain_id, "rm -r data; mkdir -p data/deep/x; echo a2 > data/a");
  EXPECT_THAT(paths_of(layer),
              ElementsAre("data", "data/.wh.b", "data/a", "data/deep", "data/deep/.wh.er", "data/deep/x"));
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, what_came_and_went_leaves_no_entry) {
  const auto below = base();
  const auto layer = step(below.chain_id, R"(
    echo x > tmp/x; rm tmp/x; mkdir data/n; rmdir data/n
    chmod 600 data/b; chmod 644 data/b; : >> data/a; mkdir fresh; echo f > fresh/f; rm -r fresh)");
  EXPECT_THAT(paths_of(layer), IsEmpty());
  EXPECT_EQ(layer.size, 1024U);
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, a_touched_file_is_a_change_and_so_is_content_of_equal_size_and_time) {
  const auto below = base();
  const auto layer =
      step(below.chain_id, "touch -d @1000000001 data/a; echo HOSTS > etc/hosts; touch -d @1000000000 etc/hosts");
  EXPECT_THAT(paths_of(layer), ElementsAre("data", "data/a", "etc", "etc/hosts"));
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, metadata_of_directories_and_of_the_root) {
  const auto below = base();
  const auto layer = step(below.chain_id, "chmod 711 .; chown 5:6 empty; setfattr -n user.x -v y etc");
  EXPECT_THAT(paths_of(layer), ElementsAre("empty", "etc"));
  expect_consistent(layer.chain_id);
  const auto above = step(layer.chain_id, "echo z > z");
  EXPECT_THAT(paths_of(above), ElementsAre("z"));
  EXPECT_EQ(merged(above.chain_id).at(""), "40755 0:0");  // as BuildKit: no entry for the root
  expect_consistent(above.chain_id);
}

TEST_F(LayersCommit, types_replace_each_other) {
  const auto below = base();
  const auto layer = step(below.chain_id, R"(
    rm -r data; echo file > data; rm etc/hosts; mkdir etc/hosts; echo in > etc/hosts/in
    rm usr/bin/link; mkfifo usr/bin/link; rmdir empty; ln -s etc empty)");
  expect_consistent(layer.chain_id);
  const auto above = step(layer.chain_id, "rm data; mkdir data; echo q > data/q; rm -r etc/hosts; echo h > etc/hosts");
  expect_consistent(above.chain_id);
  EXPECT_THAT(paths_of(above), Not(Contains("etc/hosts/.wh.in")));
}

TEST_F(LayersCommit, hard_links_within_a_step) {
  const auto below = base();
  const auto layer = step(below.chain_id, "echo l > tmp/one; ln tmp/one data/two; ln tmp/one three");
  const auto index = store().layers().index(layer.diff_id);
  EXPECT_THAT(paths_of(layer), ElementsAre("data", "data/two", "three", "tmp", "tmp/one"));
  EXPECT_EQ(index[1].type, 'f');
  EXPECT_EQ(index[2].type, 'h');
  EXPECT_EQ(index[2].link, "data/two");
  EXPECT_EQ(index[4].link, "data/two");
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, a_new_name_of_a_lower_file_takes_all_its_names_along) {
  const auto below = base();
  const auto layer = step(below.chain_id, "ln usr/bin/tool tmp/third");
  EXPECT_THAT(paths_of(layer), ElementsAre("tmp", "tmp/third", "usr", "usr/bin", "usr/bin/alias", "usr/bin/tool"));
  const auto tree = merged(layer.chain_id);
  EXPECT_NE(tree.at("usr/bin/alias").find("=tmp/third"), std::string::npos) << tree.at("usr/bin/alias");
  EXPECT_NE(tree.at("usr/bin/tool").find("=tmp/third"), std::string::npos);
  EXPECT_EQ(tree, flattened(layer.chain_id));
}

TEST_F(LayersCommit, names_in_directories_that_the_step_did_not_touch_are_taken_along_too) {
  const auto below = step({}, R"(
    mkdir -p x far/away gone; chmod 700 far; chown 7:8 far/away; setfattr -n user.k -v v far/away
    echo a > x/a; ln x/a far/away/b; ln x/a gone/c; touch -d @77 far/away)");
  const auto layer = step(below.chain_id, "ln x/a new; rm -r gone; mkdir gone");
  EXPECT_THAT(paths_of(layer), ElementsAre("far", "far/away", "far/away/b", "gone", "gone/.wh.c", "new", "x", "x/a"));
  const auto tree = merged(layer.chain_id);
  EXPECT_THAT(tree.at("far/away/b"), ::testing::EndsWith("=far/away/b"));
  EXPECT_THAT(tree.at("new"), ::testing::EndsWith("=far/away/b"));
  EXPECT_EQ(tree.at("far"), "40700 0:0");
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, a_copied_up_name_with_other_content_leaves_the_other_names_alone) {
  const auto below = step({}, "echo a > a; ln a b");
  const auto layer = step(below.chain_id, "echo more >> a; ln a c");
  EXPECT_THAT(paths_of(layer), ElementsAre("a", "c"));
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, long_and_many_attributes) {
  const auto layer = step({}, R"sh(
    echo x > x; setfattr -n user.long -v "$(printf 'v%.0s' {1..1000})" x
    for i in $(seq 30); do setfattr -n "user.some-rather-long-attribute-name-$i" -v $i x; done)sh");
  EXPECT_EQ(store().layers().index(layer.diff_id).at(0).xattrs.at("user.long").size(), 1000U);
  EXPECT_EQ(store().layers().index(layer.diff_id).at(0).xattrs.size(), 31U);
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, sockets_are_left_out_and_what_they_replaced_is_gone) {
  const auto below = base();
  const auto layer = step(below.chain_id, R"(
    python3 -c 'import os, socket
for name in ("tmp/s", "etc/hosts"):
    if os.path.exists(name): os.unlink(name)
    socket.socket(socket.AF_UNIX).bind(name)')");
  EXPECT_THAT(paths_of(layer), ElementsAre("etc", "etc/.wh.hosts"));
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, file_capabilities_survive_and_overlay_marks_do_not) {
  const auto layer = step({}, R"(echo x > ping; setcap cap_net_raw+ep ping; mkdir d; setfattr -n trusted.keep -v 1 d)");
  const auto index = store().layers().index(layer.diff_id);
  ASSERT_EQ(index.size(), 2U);
  EXPECT_THAT(index[0].xattrs, ElementsAre(::testing::Pair("trusted.keep", "1")));
  ASSERT_EQ(index[1].xattrs.count("security.capability"), 1U);
  EXPECT_EQ(index[1].xattrs.at("security.capability").size(), 20U);
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, the_epoch_clamps_layer_and_snapshot_alike) {
  const auto layer =
      step({}, "mkdir d; echo new > d/new; echo old > d/old; touch -d @500 d/old; ln -s x d/link", options_of(1000));
  for (const auto& entry : store().layers().index(layer.diff_id)) {
    EXPECT_EQ(entry.mtime, entry.path == "d/old" ? 500 : 1000) << entry.path;
  }
  struct stat status{};
  const auto snapshot = store().layers().lowers(layer.chain_id).front();
  for (const char* name : {"d", "d/new", "d/link"}) {
    ASSERT_EQ(::lstat((snapshot / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, 1000) << name;
    EXPECT_EQ(status.st_mtim.tv_nsec, 0) << name;
  }
  ASSERT_EQ(::lstat(snapshot.c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 0) << "the root has no entry in the layer";
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, equal_changes_give_equal_layers_whatever_the_time_and_order) {
  const auto one = step({}, "mkdir d; for i in 3 1 2; do echo $i > d/$i; done", options_of(1000));
  const TemporaryDirectory place(directory_.path(), "second-");
  auto other = Store::open(place.path());
  std::swap(other, store_);
  const auto two = step({}, "mkdir d; for i in 1 2 3; do echo $i > d/$i; done", options_of(1000));
  EXPECT_EQ(one.chain_id, two.chain_id);
  EXPECT_EQ(one.blob, two.blob);
  std::swap(other, store_);
  const auto again = step({}, "mkdir d; for i in 2 3 1; do echo $i > d/$i; done", options_of(1000));
  EXPECT_EQ(again.chain_id, one.chain_id);
  EXPECT_EQ(again.blob, one.blob);
}

TEST_F(LayersCommit, odd_names_and_sparse_files) {
  const auto layer = step({}, R"sh(
    mkdir -p $'new\nline' "$(printf 'x%.0s' {1..200})/$(printf 'y%.0s' {1..200})" $'\xff\xfe'
    echo 1 > $'new\nline/tab\there'; echo 2 > '100% =,'; echo 3 > -dash; echo 4 > ' '
    truncate -s 10M sparse; printf end >> sparse; echo 5 > a; echo 6 > a.b; mkdir a-; echo 7 > a-/c)sh");
  expect_consistent(layer.chain_id);
}

TEST_F(LayersCommit, a_file_named_like_a_whiteout_is_refused) {
  EXPECT_THROW((void)step({}, "mkdir d; echo x > d/.wh.x"), Error);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(store().directory() / "snapshots"), {}), 0);
}

TEST_F(LayersCommit, names_of_users_are_kept_in_the_index) {
  const auto layer = base();
  for (const auto& entry : store().layers().index(layer.diff_id)) {
    EXPECT_EQ(entry.kept, entry.path == "etc/passwd" ? "root:x:0:0\n" : "") << entry.path;
  }
}

TEST_F(LayersCommit, an_abandoned_snapshot_leaves_nothing) {
  {
    auto snapshot = store().layers().begin({});
    write_file_atomically(snapshot.upper() / "file", "x");
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(store().directory() / "snapshots"), {}), 0);
  for (const auto& run : std::filesystem::directory_iterator(store().directory() / "tmp")) {
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(run.path()), {}), 1);  // its lock file
  }
}

TEST_F(LayersCommit, recompression_is_made_once_and_checked) {
  const auto layer = base();
  codec::CompressionOptions options;
  options.kind = codec::Compression::zstd;
  options.threads = 1;
  const auto zstd = store().layers().recompress(layer.chain_id, options);
  EXPECT_EQ(zstd.media_type, oci::kLayerZstdType);
  EXPECT_TRUE(store().blobs().contains(zstd.blob));
  EXPECT_EQ(store().layers().recompress(layer.chain_id, options).blob, zstd.blob);
  EXPECT_EQ(store().layers().find(layer.chain_id)->blob, layer.blob);
}

/// A layer of every kind of entry over another one, with only its snapshot.
class UnpackedOnly : public LayersCommit {
 protected:
  Layer changed(bool pack) {
    auto options = options_of(1'500'000'000);
    options.pack = pack;
    return step(base().chain_id, R"(
      rm data/deep/er/c; rm -r empty; rm etc/hosts; mkdir etc/hosts; echo new > etc/hosts/new
      ln usr/bin/tool usr/bin/third; chmod 0755 data; mkfifo pipe; mknod zero c 1 5; : > nothing
      head -c 3000000 /dev/urandom > large; setfattr -n user.colour -v red large
      ln -s /nowhere "odd name")",
                options);
  }
};

TEST_F(UnpackedOnly, the_blob_is_made_when_it_is_asked_for) {
  const auto layer = changed(false);
  EXPECT_TRUE(layer.blob.is_zero());
  EXPECT_TRUE(layer.unpacked);
  std::size_t blobs = 0;
  store().blobs().for_each([&](const Digest&, std::uint64_t) { ++blobs; });
  EXPECT_EQ(blobs, 1U) << "the base's alone";
  const auto packed = store().layers().recompress(layer.chain_id, options_of().compression);
  EXPECT_EQ(store().layers().find(layer.chain_id)->blob, packed.blob);
  EXPECT_EQ(packed.media_type, oci::kLayerGzipType);
  expect_consistent(layer.chain_id);
}

TEST_F(UnpackedOnly, a_damaged_snapshot_is_not_packed) {
  const auto layer = changed(false);
  const auto file = store().layers().lowers(layer.chain_id).front() / "large";
  const auto pack = [&] { static_cast<void>(store().layers().recompress(layer.chain_id, options_of().compression)); };
  write_file_atomically(file, std::string(3'000'000, 'x'));
  try {
    pack();
    FAIL() << "a snapshot with another file was packed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << error.what();
  }
  write_file_atomically(file, "short");
  EXPECT_THROW(pack(), Error);
  EXPECT_TRUE(store().layers().find(layer.chain_id)->blob.is_zero());
}

TEST_F(LayersCommit, many_layers_stack) {
  Digest parent = base().chain_id;
  for (int i = 0; i < 12; ++i) {
    parent = step(parent, "echo " + std::to_string(i) + " > data/n" + std::to_string(i) + "; rm -f data/n" +
                              std::to_string(i - 2))
                 .chain_id;
  }
  EXPECT_EQ(store().layers().lowers(parent).size(), 13U);
  expect_consistent(parent);
}

}  // namespace
}  // namespace dlc::store::test
