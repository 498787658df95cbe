#pragma once
// Fixtures of the store's tests: a store in a directory of its own, and trees written down as lines.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "codec/tar.h"
#include "store/store.h"

namespace dlc::store::test {

/// Everything about a tree that a layer must carry: path -> "mode owner kind content links xattrs".
using Tree = std::map<std::string, std::string>;

/// Lines for each path below `root` (which may be a mount point). `with_times`: whole seconds of mtime too, except for
/// directories.
[[nodiscard]] Tree describe(const std::filesystem::path& root, bool with_times = true);

class StoreTest : public ::testing::Test {
 protected:
  StoreTest();
  Store& store() { return *store_; }
  void reopen();

  /// Mounts the chain (and an upper) with overlayfs in this process's own mount namespace; unmounted by the fixture.
  [[nodiscard]] std::filesystem::path mount(const Digest& chain, const WorkingSnapshot* snapshot);
  void unmount(const std::filesystem::path& target);

  /// One step: mounts, runs the shell script with the mount as working directory, unmounts, commits.
  Layer step(const Digest& parent, const std::string& script, const CommitOptions& options);
  Layer step(const Digest& parent, const std::string& script) { return step(parent, script, options_of()); }
  [[nodiscard]] Tree merged(const Digest& chain);
  /// The layers of the chain applied one after another by code that shares nothing with the store.
  [[nodiscard]] Tree flattened(const Digest& chain);
  [[nodiscard]] std::vector<std::string> paths_of(const Layer& layer);

  static CommitOptions options_of(std::optional<std::int64_t> epoch = std::nullopt);

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

/// A tar in memory. `content` of files by path.
struct TarFile {
  codec::TarEntry entry;
  std::string content;
};
[[nodiscard]] std::string make_tar(const std::vector<TarFile>& files);
[[nodiscard]] codec::TarEntry entry_of(codec::TarEntry::Type type, std::string path, std::string link = {});

class StringSource : public codec::Source {
 public:
  explicit StringSource(std::string text) : text_(std::move(text)) {}
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  std::string text_;
  std::size_t at_ = 0;
};

/// Runs a shell script; fails the test where it fails.
void shell(const std::string& script, const std::filesystem::path& directory = "/");

}  // namespace dlc::store::test
