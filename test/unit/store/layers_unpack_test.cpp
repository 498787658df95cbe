// Unpacking foreign layers: the image-spec's rules, and entries that no honest archive has. Each hostile case also
// checks that a canary outside the snapshot is untouched.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/error.h"
#include "store/tree.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Type = codec::TarEntry::Type;

class LayersUnpack : public StoreTest {
 protected:
  LayersUnpack() : canary_(directory_.path() / "canary") {
    std::filesystem::create_directory(canary_);
    write_file_atomically(canary_ / "file", "untouched\n");
    before_ = describe(canary_);
  }
  ~LayersUnpack() override { EXPECT_EQ(describe(canary_), before_); }

  Layer adopt(const Digest& parent, const std::string& tar) {
    oci::Descriptor descriptor;
    descriptor.media_type = oci::kLayerType;
    descriptor.digest = store().blobs().put(tar);
    descriptor.size = tar.size();
    return store().layers().adopt(parent, descriptor.digest, descriptor);
  }

  Layer unpack(const Digest& parent, const std::vector<TarFile>& files) {
    return store().layers().unpack(adopt(parent, make_tar(files)).chain_id);
  }

  Layer base() {
    return step({}, R"(
      mkdir -p etc/sub usr/lib usr/bin opaque/x opaque/y; chmod 700 etc; chown 3:4 etc; setfattr -n user.k -v v etc
      ln -s usr/lib lib; ln -s /usr/bin bin; ln -s ../../../../usr up; ln -s loop loop
      echo one > etc/one; chmod 640 etc/one; echo two > opaque/x/two; ln -s /absolute/nowhere dangling
      touch -d @1000000000 etc/one)");
  }

  void expect_refused(const Digest& parent, const std::vector<TarFile>& files, const std::string& why) {
    const auto layer = adopt(parent, make_tar(files));
    try {
      (void)store().layers().unpack(layer.chain_id);
      ADD_FAILURE() << "accepted: " << why;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(why));
      EXPECT_THAT(error.what(), HasSubstr(layer.diff_id.str()));
    }
    EXPECT_FALSE(store().layers().find(layer.chain_id)->unpacked);
    EXPECT_FALSE(std::filesystem::exists(store().directory() / "snapshots" / layer.chain_id.hex()));
  }

  std::filesystem::path canary_;
  Tree before_;
};

TEST_F(LayersUnpack, types_modes_owners_times_and_attributes) {
  auto file = entry_of(Type::file, "bin/tool");
  file.mode = 06755;
  file.uid = 1000;
  file.gid = 70000;
  file.mtime_nsec = 5;
  file.xattrs["user.a"] = std::string("b\0c", 3);
  file.xattrs["security.capability"] =
      std::string("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  auto device = entry_of(Type::character, "dev/null");
  device.major = 1;
  device.minor = 3;
  auto directory = entry_of(Type::directory, "bin");
  directory.mode = 01777;
  const auto layer = unpack({}, {{directory, ""},
                                 {file, "content"},
                                 {entry_of(Type::symlink, "l", "/to"), ""},
                                 {device, ""},
                                 {entry_of(Type::fifo, "pipe"), ""},
                                 {entry_of(Type::hard_link, "bin/same", "bin/tool"), ""}});
  const auto tree = merged(layer.chain_id);
  EXPECT_EQ(tree.at("bin"), "41777 0:0");
  EXPECT_THAT(tree.at("bin/tool"), ::testing::StartsWith("106755 1000:70000 7 "));
  EXPECT_EQ(tree.at("dev/null"), "20644 0:0 1:3 @1000000000");
  struct stat status{};
  ASSERT_EQ(::stat((store().layers().lowers(layer.chain_id).front() / "bin").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'000'000'000);
}

TEST_F(LayersUnpack, implicit_parents_take_the_lower_metadata) {
  const auto below = base();
  const auto layer =
      unpack(below.chain_id, {{entry_of(Type::file, "etc/sub/new"), "x"}, {entry_of(Type::file, "brand/new"), "y"}});
  const auto tree = merged(layer.chain_id);
  EXPECT_EQ(tree.at("etc"), merged(below.chain_id).at("etc"));
  EXPECT_EQ(tree.at("brand"), "40755 0:0");
  EXPECT_EQ(tree.count("etc/one"), 1U);
}

TEST_F(LayersUnpack, paths_through_lower_links_stay_inside) {
  const auto below = base();
  const auto layer = unpack(below.chain_id, {{entry_of(Type::file, "lib/a.so"), "1"},
                                             {entry_of(Type::file, "bin/b"), "2"},
                                             {entry_of(Type::file, "up/c"), "3"},
                                             {entry_of(Type::file, "dangling/d"), "4"}});
  const auto tree = merged(layer.chain_id);
  for (const char* path : {"usr/lib/a.so", "usr/bin/b", "usr/c", "absolute/nowhere/d"}) {
    EXPECT_EQ(tree.count(path), 1U) << path;
  }
  EXPECT_THAT(tree.at("lib"), HasSubstr("-> usr/lib"));
}

TEST_F(LayersUnpack, whiteouts_hide_the_parent_only) {
  const auto below = base();
  const auto layer = unpack(below.chain_id, {{entry_of(Type::file, "etc/.wh.one"), ""},
                                             {entry_of(Type::file, ".wh.lib"), ""},
                                             {entry_of(Type::file, "etc/.wh.never-there"), ""},
                                             {entry_of(Type::file, "no/such/.wh.x"), ""},
                                             {entry_of(Type::file, "usr/fresh"), "f"},
                                             {entry_of(Type::file, "usr/.wh.fresh"), ""},
                                             {entry_of(Type::file, ".wh..wh.plnk/12.34"), ""}});
  const auto tree = merged(layer.chain_id);
  EXPECT_EQ(tree.count("etc/one"), 0U);
  EXPECT_EQ(tree.count("lib"), 0U);
  EXPECT_EQ(tree.count("usr/fresh"), 1U);
  EXPECT_EQ(tree.count("no"), 0U);
  EXPECT_EQ(tree.count(".wh..wh.plnk"), 0U);
}

TEST_F(LayersUnpack, opaque_marks_whatever_their_place_in_the_layer) {
  const auto below = base();
  for (const bool first : {true, false}) {
    std::vector<TarFile> files{{entry_of(Type::directory, "opaque"), ""}, {entry_of(Type::file, "opaque/x/mine"), "m"}};
    files.insert(files.begin() + (first ? 1 : 2), {entry_of(Type::file, "opaque/.wh..wh..opq"), ""});
    const auto tree = merged(unpack(below.chain_id, files).chain_id);
    EXPECT_EQ(tree.count("opaque/x/mine"), 1U);
    EXPECT_EQ(tree.count("opaque/x/two"), 0U);
    EXPECT_EQ(tree.count("opaque/y"), 0U);
  }
}

TEST_F(LayersUnpack, a_directory_that_was_whited_out_first_is_new) {
  const auto below = base();
  for (const bool whiteout_first : {true, false}) {
    std::vector<TarFile> files{{entry_of(Type::directory, "opaque"), ""}, {entry_of(Type::file, "opaque/new"), "n"}};
    files.insert(whiteout_first ? files.begin() : files.end(), {entry_of(Type::file, ".wh.opaque"), ""});
    const auto tree = merged(unpack(below.chain_id, files).chain_id);
    EXPECT_EQ(tree.count("opaque/new"), 1U);
    EXPECT_EQ(tree.count("opaque/x"), 0U);
  }
  const auto implicit =
      unpack(below.chain_id, {{entry_of(Type::file, ".wh.opaque"), ""}, {entry_of(Type::file, "opaque/n"), ""}});
  EXPECT_EQ(merged(implicit.chain_id).count("opaque/x"), 0U);
}

TEST_F(LayersUnpack, types_replace_each_other) {
  const auto below = base();
  const auto layer = unpack(below.chain_id, {{entry_of(Type::file, "opaque"), "file"},
                                             {entry_of(Type::directory, "etc/one"), ""},
                                             {entry_of(Type::directory, "lib"), ""},
                                             {entry_of(Type::file, "lib/x"), "x"},
                                             {entry_of(Type::file, "twice"), "1"},
                                             {entry_of(Type::file, "twice"), "2"},
                                             {entry_of(Type::directory, "t"), ""},
                                             {entry_of(Type::file, "t/in"), ""},
                                             {entry_of(Type::symlink, "t", "usr"), ""},
                                             {entry_of(Type::file, "t/through"), "q"}});
  const auto tree = merged(layer.chain_id);
  EXPECT_THAT(tree.at("opaque"), HasSubstr("100644"));
  EXPECT_EQ(tree.count("opaque/x"), 0U);
  EXPECT_EQ(tree.at("etc/one"), "40755 0:0");
  EXPECT_EQ(tree.at("lib"), "40755 0:0");
  EXPECT_EQ(tree.count("usr/lib/x"), 0U);
  EXPECT_EQ(tree.count("usr/through"), 1U);
  const auto file_then_directory =
      unpack(below.chain_id, {{entry_of(Type::file, "opaque"), "f"}, {entry_of(Type::directory, "opaque"), ""}});
  EXPECT_EQ(merged(file_then_directory.chain_id).count("opaque/x"), 0U);
}

TEST_F(LayersUnpack, a_hard_link_into_a_lower_layer_is_one_file_with_it) {
  const auto below = base();
  const auto layer = unpack(below.chain_id, {{entry_of(Type::hard_link, "usr/linked", "/etc/one"), ""},
                                             {entry_of(Type::hard_link, "dl", "dangling"), ""}});
  const auto tree = merged(layer.chain_id);
  EXPECT_THAT(tree.at("etc/one"), HasSubstr("100640"));
  EXPECT_THAT(tree.at("usr/linked"), HasSubstr("=etc/one"));
  EXPECT_THAT(tree.at("dl"), HasSubstr("-> /absolute/nowhere"));
}

TEST_F(LayersUnpack, zeros_become_holes) {
  std::string content(8U << 20, '\0');
  content += "end";
  const auto layer = unpack({}, {{entry_of(Type::file, "sparse"), content}});
  struct stat status{};
  ASSERT_EQ(::stat((store().layers().lowers(layer.chain_id).front() / "sparse").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, static_cast<off_t>(content.size()));
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
}

TEST_F(LayersUnpack, hostile_names_are_refused) {
  const auto below = base();
  const std::string out = "../../../../../../../.." + canary_.string() + "/file";
  expect_refused(below.chain_id, {{entry_of(Type::file, out), "x"}}, "\"..\"");
  expect_refused(below.chain_id, {{entry_of(Type::file, "etc/../../x"), "x"}}, "\"..\"");
  expect_refused(below.chain_id, {{entry_of(Type::file, ".wh..."), ""}}, "whiteout of nothing");
  expect_refused(below.chain_id, {{entry_of(Type::file, ".wh.."), ""}}, "whiteout of nothing");
  expect_refused(below.chain_id, {{entry_of(Type::file, "etc/.wh."), ""}}, "whiteout of nothing");
  expect_refused(below.chain_id, {{entry_of(Type::file, ".wh.x/y"), ""}}, "below a whiteout");
  expect_refused(below.chain_id, {{entry_of(Type::file, "etc/one/below"), ""}}, "not a directory");
  expect_refused(below.chain_id, {{entry_of(Type::file, "loop/x"), ""}}, "too many symbolic links");
}

TEST_F(LayersUnpack, hostile_links_stay_inside) {
  const std::string out = canary_.string();
  const auto layer = unpack({}, {{entry_of(Type::symlink, "evil", out), ""},
                                 {entry_of(Type::file, "evil/file"), "overwritten"},
                                 {entry_of(Type::symlink, "rel", "../../../../../../../../../.." + out), ""},
                                 {entry_of(Type::file, "rel/file2"), "x"},
                                 {entry_of(Type::symlink, "leaf", out + "/file"), ""},
                                 {entry_of(Type::file, "leaf"), "replaced"},
                                 {entry_of(Type::symlink, "hl", out + "/file"), ""},
                                 {entry_of(Type::hard_link, "hl2", "hl"), ""},
                                 {entry_of(Type::file, "hl2"), "replaced"}});
  const auto tree = merged(layer.chain_id);
  EXPECT_EQ(tree.count(out.substr(1) + "/file"), 1U);
  EXPECT_EQ(tree.count(out.substr(1) + "/file2"), 1U);
  EXPECT_THAT(tree.at("leaf"), HasSubstr("100644"));
  EXPECT_THAT(tree.at("hl2"), HasSubstr("100644"));
  expect_refused({}, {{entry_of(Type::hard_link, "x", out + "/file"), ""}}, "not there");
  expect_refused({}, {{entry_of(Type::hard_link, "x", "../../../../../../../../../../" + out + "/file"), ""}},
                 "\"..\"");
  expect_refused({}, {{entry_of(Type::symlink, "evil", out), ""}, {entry_of(Type::hard_link, "x", "evil/file"), ""}},
                 "not there");
  expect_refused({}, {{entry_of(Type::hard_link, "x", "x"), ""}}, "not there");
}

TEST_F(LayersUnpack, hostile_whiteouts_and_opaque_marks_stay_inside) {
  const auto below = step({}, "ln -s " + canary_.string() + " evil; mkdir real; echo x > real/x");
  const auto layer = unpack(
      below.chain_id, {{entry_of(Type::file, "evil/.wh.file"), ""}, {entry_of(Type::file, "evil/.wh..wh..opq"), ""}});
  EXPECT_EQ(merged(layer.chain_id).count("evil"), 1U);
}

TEST_F(LayersUnpack, the_root_can_only_be_a_directory) {
  expect_refused({}, {{entry_of(Type::symlink, ".", canary_.string()), ""}}, "makes the root");
  expect_refused({}, {{entry_of(Type::file, "."), "x"}}, "makes the root");
  auto root = entry_of(Type::directory, "");
  root.mode = 0711;
  EXPECT_EQ(merged(unpack({}, {{root, ""}}).chain_id).at(""), "40711 0:0");
}

TEST_F(LayersUnpack, marks_of_overlayfs_itself_are_refused) {
  auto directory = entry_of(Type::directory, "d");
  directory.xattrs["trusted.overlay.redirect"] = "/etc";
  expect_refused({}, {{directory, ""}}, "trusted.overlay.redirect");
  auto user = entry_of(Type::file, "f");
  user.xattrs["user.overlay.metacopy"] = "";
  expect_refused({}, {{user, ""}}, "user.overlay.metacopy");
  expect_refused({}, {{entry_of(Type::character, "w"), ""}}, "0:0");
  auto owner = entry_of(Type::file, "o");
  owner.uid = 0xffffffff;
  expect_refused({}, {{owner, ""}}, "owner");
}

TEST_F(LayersUnpack, damaged_layers_are_refused_and_nothing_is_kept) {
  const std::string good = make_tar({{entry_of(Type::file, "a"), std::string(5000, 'a')}});
  oci::Descriptor descriptor;
  descriptor.media_type = oci::kLayerType;
  descriptor.digest = store().blobs().put(good);
  descriptor.size = good.size();
  const auto wrong = store().layers().adopt({}, codec::sha256("something else"), descriptor);
  EXPECT_THROW((void)store().layers().unpack(wrong.chain_id), Error);
  EXPECT_FALSE(store().layers().find(wrong.chain_id)->unpacked);

  const auto layer = store().layers().adopt({}, descriptor.digest, descriptor);
  for (const std::size_t at :
       {std::size_t{600}, good.size() - 1}) {  // in the content, and in the padding after the end
    std::string bad = good;
    bad[at] = 'X';
    write_file_atomically(store().blobs().path_of(descriptor.digest), bad);
    EXPECT_THROW((void)store().layers().unpack(layer.chain_id), Error) << at;
  }
  write_file_atomically(store().blobs().path_of(descriptor.digest), good.substr(0, 700));
  EXPECT_THROW((void)store().layers().unpack(layer.chain_id), Error);
  write_file_atomically(store().blobs().path_of(descriptor.digest), good);
  EXPECT_TRUE(store().layers().unpack(layer.chain_id).unpacked);
}

TEST_F(LayersUnpack, a_stop_request_ends_it_and_nothing_is_kept) {
  const auto layer = adopt({}, make_tar({{entry_of(Type::file, "a"), std::string(1 << 20, 'a')}}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW((void)store().layers().unpack(layer.chain_id, stop.get_token()), Error);
  EXPECT_FALSE(store().layers().find(layer.chain_id)->unpacked);
  EXPECT_TRUE(store().layers().unpack(layer.chain_id).unpacked);
}

TEST_F(LayersUnpack, unpacking_needs_the_parent_and_the_blob) {
  const auto below = adopt({}, make_tar({{entry_of(Type::file, "a"), "a"}}));
  const auto above = adopt(below.chain_id, make_tar({{entry_of(Type::file, "b"), "b"}}));
  EXPECT_THROW((void)store().layers().unpack(above.chain_id), Error);
  EXPECT_THROW((void)store().layers().lowers(above.chain_id), Error);
  EXPECT_THROW((void)store().layers().unpack(codec::sha256("unknown")), Error);
  oci::Descriptor missing;
  missing.media_type = oci::kLayerType;
  missing.digest = codec::sha256("not here");
  EXPECT_THROW((void)store().layers().adopt(codec::sha256("unknown"), missing.digest, missing), Error);
  const auto layer = store().layers().adopt({}, missing.digest, missing);
  EXPECT_THROW((void)store().layers().unpack(layer.chain_id), Error);
  EXPECT_THROW((void)store().layers().index(layer.diff_id), Error);
}

TEST_F(LayersUnpack, the_index_is_made_again_from_the_blob) {
  auto file = entry_of(Type::file, "etc/group");
  file.xattrs["user.odd,%"] = "\t\n\xff";
  const auto layer = unpack({}, {{file, "root:x:0:\n"}, {entry_of(Type::hard_link, "h", "etc/group"), ""}});
  const auto before = store().layers().index(layer.diff_id);
  std::filesystem::remove(store().directory() / "index" / layer.diff_id.hex());
  const auto after = store().layers().index(layer.diff_id);
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].path, before[i].path);
    EXPECT_EQ(after[i].offset, before[i].offset);
    EXPECT_EQ(after[i].content, before[i].content);
    EXPECT_EQ(after[i].kept, before[i].kept);
    EXPECT_EQ(after[i].link, before[i].link);
    EXPECT_EQ(after[i].xattrs, before[i].xattrs);
  }
  const std::string tar = store().blobs().read(layer.blob);
  EXPECT_EQ(tar.substr(after[0].offset, after[0].size), "root:x:0:\n");
  write_file_atomically(store().directory() / "index" / layer.diff_id.hex(), "damaged");
  EXPECT_EQ(store().layers().index(layer.diff_id).size(), before.size());
}

TEST_F(LayersUnpack, an_imported_root_file_system_is_a_layer_of_ours) {
  auto root = entry_of(Type::directory, "");
  auto device = entry_of(Type::character, "dev/console");
  device.major = 5;
  device.minor = 1;
  const std::vector<TarFile> files{
      {root, ""},   {entry_of(Type::file, "z"), "z"}, {entry_of(Type::directory, "dev"), ""},
      {device, ""}, {entry_of(Type::file, "a"), "a"}, {entry_of(Type::hard_link, "b", "a"), ""}};
  StringSource source(make_tar(files));
  const auto layer = store().layers().import_tar({}, source, options_of(900'000'000));
  EXPECT_THAT(paths_of(layer), ElementsAre("a", "b", "dev", "dev/console", "z"));
  EXPECT_EQ(merged(layer.chain_id), flattened(layer.chain_id));
  EXPECT_THAT(merged(layer.chain_id).at("a"), HasSubstr("@900000000"));
  StringSource shuffled(make_tar({files[0], files[4], files[5], files[2], files[3], files[1]}));
  EXPECT_EQ(store().layers().import_tar({}, shuffled, options_of(900'000'000)).chain_id, layer.chain_id);
}

}  // namespace
}  // namespace dlc::store::test
