// Random trees under random changes, several steps deep: the merged view of the snapshots, the layers applied by
// Python's tarfile, and the layers unpacked into another store are the same tree after each step.
#include <gmock/gmock.h>

#include <cstdlib>

#include "base/process.h"
#include "unit/store/support.h"

namespace dlc::store::test {
namespace {

constexpr const char* kChange = R"PY(
import os, random, shutil, sys
rnd = random.Random(int(sys.argv[1]))
def paths(dirs):
    found = []
    for at, ds, fs in os.walk('.'):
        found += [os.path.join(at, n) for n in (ds if dirs else ds + fs)]
    return sorted(found)
def place():
    return os.path.join(rnd.choice(['.'] + [d for d in paths(True) if not os.path.islink(d)]), rnd.choice('abcdefgh') + rnd.choice(['', '.x', '-y', ' z', '\n']))
def some():
    all_ = paths(False)
    return rnd.choice(all_) if all_ else place()
def rm(p):
    if os.path.isdir(p) and not os.path.islink(p): shutil.rmtree(p)
    elif os.path.lexists(p): os.unlink(p)
def write(p):
    if os.path.exists(p) and not os.path.isfile(p): return  # a FIFO would block
    with open(p, rnd.choice(['wb', 'ab', 'r+b'])) as f: f.write(os.urandom(rnd.choice([0, 1, 511, 513, 70000])))
def mkdir(p): os.mkdir(p, rnd.choice([0o755, 0o700, 0o1777]))
def again(p):
    if os.path.isdir(p) and not os.path.islink(p):
        keep = [n for n in os.listdir(p) if rnd.random() < .5]
        shutil.rmtree(p); os.mkdir(p)
        for n in keep: rnd.choice([write, mkdir])(os.path.join(p, n))
def replace(p):
    rm(p); rnd.choice([write, mkdir, lambda q: os.symlink('a', q), os.mkfifo, lambda q: os.mknod(q, 0o20600, os.makedev(1, 7))])(p)
ops = [lambda: write(place()), lambda: write(place()), lambda: mkdir(place()), lambda: os.symlink(rnd.choice(['..', '/x', 'a']), place()),
       lambda: os.link(some(), place(), follow_symlinks=False), lambda: os.link(some(), place(), follow_symlinks=False),
       lambda: rm(some()), lambda: os.rename(some(), place()), lambda: os.chmod(some(), rnd.choice([0o600, 0o4755, 0o751])),
       lambda: os.chown(some(), rnd.randrange(3), rnd.randrange(3), follow_symlinks=False), lambda: again(some()), lambda: replace(some()),
       lambda: os.setxattr(some(), 'user.r', os.urandom(4)), lambda: os.utime(some(), (5, rnd.randrange(9))), lambda: write(some()),
       lambda: os.mkfifo(place())]
for _ in range(int(sys.argv[2])):
    try: rnd.choice(ops)()
    except (OSError, shutil.Error): pass
)PY";

class LayersRandom : public StoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(LayersRandom, all_views_agree) {
  const TemporaryDirectory place(directory_.path(), "other-");
  auto other = Store::open(place.path());
  Digest parent;
  for (int depth = 0; depth < 5; ++depth) {
    SCOPED_TRACE("step " + std::to_string(depth));
    auto snapshot = store().layers().begin(parent);
    const auto target = mount(parent, &snapshot);
    CommandOptions command;
    command.directory = target.string();
    const auto seed = std::to_string(GetParam() * 100 + depth);
    const auto ran = run_command({"python3", "-c", kChange, seed, depth == 0 ? "60" : "25"}, command);
    ASSERT_EQ(ran.status, 0) << ran.error;
    const auto left = describe(target);
    unmount(target);
    const auto layer = store().layers().commit(std::move(snapshot), parent, options_of());

    const auto tree = merged(layer.chain_id);
    // Lower names may have been linked together again; else the step's own view is kept.
    if (tree != left) {
      for (const auto& [path, line] : left) {
        const auto kept = tree.find(path);
        ASSERT_TRUE(kept != tree.end()) << path;
        EXPECT_EQ(kept->second.substr(0, kept->second.find(" =")), line.substr(0, line.find(" ="))) << path;
      }
      EXPECT_EQ(tree.size(), left.size());
    }
    ASSERT_EQ(tree, flattened(layer.chain_id));
    oci::Descriptor descriptor;
    descriptor.media_type = layer.media_type;
    descriptor.digest = other->blobs().put(store().blobs().read(layer.blob));
    descriptor.size = layer.blob_size;
    ASSERT_EQ(other->layers().unpack(other->layers().adopt(parent, layer.diff_id, descriptor).chain_id).chain_id,
              layer.chain_id);
    std::swap(other, store_);
    const auto elsewhere = merged(layer.chain_id);
    std::swap(other, store_);
    ASSERT_EQ(tree, elsewhere);
    parent = layer.chain_id;
  }
}

int rounds() {
  const char* wanted = std::getenv("DLC_RANDOM_ROUNDS");
  return wanted == nullptr ? 3 : std::atoi(wanted);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LayersRandom, ::testing::Range(0, rounds()));

}  // namespace
}  // namespace dlc::store::test
