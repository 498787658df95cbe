#include "unit/store/support.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/process.h"
#include "codec/digest.h"
#include "store/tree.h"

namespace dlc::store::test {

namespace {

void enter_private_namespace() {
  static const bool kDone = [] {
    return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }();
  if (!kDone) {
    throw system_error("enter a private mount namespace");
  }
}

// Names of one file that the tree shows; a file may have more names that lie hidden in lower layers.
using Links = std::map<std::pair<dev_t, ino_t>, std::vector<std::string>>;

void describe_into(int root, const std::string& directory, bool with_times, Links& links, Tree& tree) {
  for (const auto& name : list_at(root, directory)) {
    const auto path = join(directory, name);
    const auto status = *stat_at(root, path);
    std::string line = fmt::format("{:o} {}:{}", status.st_mode, status.st_uid, status.st_gid);
    if (S_ISREG(status.st_mode)) {
      line += fmt::format(" {} {}", status.st_size,
                          codec::sha256(read_file(fmt::format("/proc/self/fd/{}/{}", root, path))).hex().substr(0, 12));
    } else if (S_ISLNK(status.st_mode)) {
      line += " -> " + read_link_at(root, path);
    } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
      line += fmt::format(" {}:{}", major(status.st_rdev), minor(status.st_rdev));
    }
    if (!S_ISDIR(status.st_mode)) {
      if (with_times) {
        line += fmt::format(" @{}", status.st_mtim.tv_sec);
      }
      if (status.st_nlink > 1) {
        links[{status.st_dev, status.st_ino}].push_back(path);
      }
    }
    for (const auto& [key, value] : xattrs_at(root, path)) {
      line += fmt::format(" {}={}", key, codec::sha256(value).hex().substr(0, 8));
    }
    tree[path] = line;
    if (S_ISDIR(status.st_mode)) {
      describe_into(root, path, with_times, links, tree);
    }
  }
}

// Applies one layer to a directory; Python's tarfile is the second opinion.
constexpr const char* kApply = R"PY(
import os, shutil, stat, sys, tarfile
blob, root = sys.argv[1], sys.argv[2]
def remove(path):
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
    else:
        shutil.rmtree(path)
times = []
with tarfile.open(blob, 'r:*') as tar:
    members = tar.getmembers()
    for m in members:                                  # whiteouts concern the layers below only
        name = os.path.basename(m.name)
        if name.startswith('.wh.'):
            assert m.isreg() and m.size == 0, m.name
            victim = os.path.join(root, os.path.dirname(m.name), name[4:])
            assert os.path.lexists(victim), 'whiteout of nothing: ' + m.name
            remove(victim)
    for m in members:
        if os.path.basename(m.name).startswith('.wh.'):
            continue
        path = os.path.join(root, m.name)
        assert not m.name.startswith('/') and '..' not in m.name.split('/')
        if os.path.lexists(path) and not (m.isdir() and os.path.isdir(path) and not os.path.islink(path)):
            remove(path)
        assert os.path.isdir(os.path.dirname(path)), 'no parent: ' + m.name
        if m.islnk():
            os.link(os.path.join(root, m.linkname), path, follow_symlinks=False)
            continue
        if m.isdir():
            if not os.path.isdir(path): os.mkdir(path)
        elif m.issym():
            os.symlink(m.linkname, path)
        elif m.isfifo():
            os.mkfifo(path)
        elif m.ischr() or m.isblk():
            os.mknod(path, (stat.S_IFCHR if m.ischr() else stat.S_IFBLK) | 0o600, os.makedev(m.devmajor, m.devminor))
        else:
            assert m.isreg(), m.name
            with tar.extractfile(m) as source, open(path, 'wb') as target:
                shutil.copyfileobj(source, target)
        os.chown(path, m.uid, m.gid, follow_symlinks=False)
        if not m.issym():
            os.chmod(path, m.mode)
        for key in os.listxattr(path, follow_symlinks=False):
            os.removexattr(path, key, follow_symlinks=False)
        for key, value in m.pax_headers.items():
            if key.startswith('SCHILY.xattr.'):
                os.setxattr(path, key[13:], value.encode('utf-8', 'surrogateescape'), follow_symlinks=False)
        if not m.isdir():
            os.utime(path, (m.mtime, m.mtime), follow_symlinks=False)
)PY";

}  // namespace

Tree describe(const std::filesystem::path& root, bool with_times) {
  const UniqueFd fd = open_file(root.string(), O_RDONLY | O_DIRECTORY);
  Tree tree;
  Links links;
  const auto status = *stat_at(fd.get(), "");
  tree[""] = fmt::format("{:o} {}:{}", status.st_mode, status.st_uid, status.st_gid);
  describe_into(fd.get(), "", with_times, links, tree);
  for (const auto& [file, names] : links) {
    for (const auto& name : names.size() > 1 ? names : std::vector<std::string>()) {
      tree[name] += " =" + names.front();
    }
  }
  return tree;
}

StoreTest::StoreTest() : directory_(std::filesystem::temp_directory_path(), "dlc-store-test-") {
  enter_private_namespace();
  reopen();
}

void StoreTest::reopen() {
  store_.reset();
  store_ = Store::open(directory_.path() / "store");
}

std::filesystem::path StoreTest::mount(const Digest& chain, const WorkingSnapshot* snapshot) {
  const auto target = TemporaryDirectory(directory_.path(), "mount-").release();
  auto lowers = store().layers().lowers(chain);
  if (snapshot == nullptr && lowers.size() == 1) {
    if (::mount(lowers.front().c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      throw system_error("bind " + lowers.front().string());
    }
    return target;
  }
  if (lowers.empty()) {
    lowers.push_back(TemporaryDirectory(directory_.path(), "empty-").release());
    std::filesystem::permissions(lowers.back(), std::filesystem::perms(0755));
  }
  std::string options = "redirect_dir=off,metacopy=off,index=off,xino=off,lowerdir=";
  for (std::size_t i = 0; i < lowers.size(); ++i) {
    options += (i == 0 ? "" : ":") + lowers[i].string();
  }
  if (snapshot != nullptr) {
    options += ",upperdir=" + snapshot->upper().string() + ",workdir=" + snapshot->work().string() +
               ",volatile";  // no flush at unmount
  }
  if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0) {
    throw system_error("mount overlay: " + options);
  }
  return target;
}

void StoreTest::unmount(const std::filesystem::path& target) {
  if (::umount2(target.c_str(), 0) != 0) {
    throw system_error("unmount " + target.string());
  }
  std::filesystem::remove(target);
}

CommitOptions StoreTest::options_of(std::optional<std::int64_t> epoch) {
  CommitOptions options;
  options.epoch = epoch;
  options.compression.threads = 1;
  return options;
}

Layer StoreTest::step(const Digest& parent, const std::string& script, const CommitOptions& options) {
  auto snapshot = store().layers().begin(parent);
  const auto target = mount(parent, &snapshot);
  shell(script, target);
  unmount(target);
  return store().layers().commit(std::move(snapshot), parent, options);
}

Tree StoreTest::merged(const Digest& chain) {
  const auto target = mount(chain, nullptr);
  auto tree = describe(target);
  unmount(target);
  return tree;
}

Tree StoreTest::flattened(const Digest& chain) {
  const TemporaryDirectory root(directory_.path(), "flat-");
  std::filesystem::permissions(root.path(), std::filesystem::perms(0755));
  for (const auto& layer : store().layers().chain(chain)) {
    const auto result =
        run_command({"python3", "-c", kApply, store().blobs().path_of(layer.blob).string(), root.path().string()});
    EXPECT_EQ(result.status, 0) << result.error;
  }
  return describe(root.path());
}

std::vector<std::string> StoreTest::paths_of(const Layer& layer) {
  std::vector<std::string> paths;
  for (const auto& entry : store().layers().index(layer.diff_id)) {
    paths.push_back(entry.path);
  }
  return paths;
}

namespace {

class StringSink : public codec::Sink {
 public:
  void write(std::span<const std::byte> bytes) override {
    for (const std::byte byte : bytes) {
      text += static_cast<char>(byte);
    }
  }
  void finish() override {}
  std::string text;
};

}  // namespace

std::string make_tar(const std::vector<TarFile>& files) {
  StringSink out;
  codec::TarWriter tar(out);
  for (const auto& file : files) {
    auto entry = file.entry;
    entry.size = file.content.size();
    tar.begin(entry);
    tar.data(std::as_bytes(std::span(file.content)));
  }
  tar.finish();
  return std::move(out.text);
}

codec::TarEntry entry_of(codec::TarEntry::Type type, std::string path, std::string link) {
  codec::TarEntry entry;
  entry.type = type;
  entry.path = std::move(path);
  entry.link = std::move(link);
  entry.mode = type == codec::TarEntry::Type::directory ? 0755 : 0644;
  entry.mtime = 1'000'000'000;
  return entry;
}

std::size_t StringSource::read(std::span<std::byte> buffer) {
  const auto rest = std::as_bytes(std::span(text_)).subspan(at_);
  const auto count = std::min(rest.size(), buffer.size());
  std::copy_n(rest.begin(), count, buffer.begin());
  at_ += count;
  return count;
}

void shell(const std::string& script, const std::filesystem::path& directory) {
  CommandOptions options;
  options.directory = directory.string();
  const auto result = run_command({"/bin/bash", "-euc", script}, options);
  ASSERT_EQ(result.status, 0) << result.error << "\nin: " << script;
}

}  // namespace dlc::store::test
