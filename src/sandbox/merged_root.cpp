#include "sandbox/merged_root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "sandbox/mount_api.h"
#include "sandbox/overlay.h"
#include "store/copied_tree.h"
#include "store/format.h"

namespace dlc::sandbox {

namespace {

namespace fs = std::filesystem;
using store::CopiedTree;
using store::SnapshotMode;

constexpr const char* kVariable = "DLC_SNAPSHOTS";

/// A stack with a change on top, made and taken down again.
bool works(const fs::path& directory, SnapshotMode mode) {
  try {
    const TemporaryDirectory place(directory, ".probe-");
    Stack stack{.lowers = {place.path() / "lower"},
                .upper = place.path() / "upper",
                .work = place.path() / "work",
                .mode = mode};
    for (const auto& part : {stack.lowers[0], stack.upper, stack.work}) {
      fs::create_directory(part);
    }
    write_file_atomically(stack.lowers[0] / "gone", "");
    MergedRoot root(stack);
    const bool changed =
        ::unlinkat(root.mount().get(), "gone", 0) == 0 && ::mkdirat(root.mount().get(), "made", 0755) == 0;
    root.settle();
    return changed;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

struct MergedRoot::State {
  Stack stack;
  UniqueFd mount;
  std::optional<CopiedTree> copy;

  /// A second use of an upper (a look at a failed step): what it holds is part of what is copied.
  void put_below() {
    const auto before = stack.work / "before";
    fs::rename(stack.upper, before);
    fs::create_directory(stack.upper);
    stack.lowers.insert(stack.lowers.begin(), before);
  }

  void make_copy() {
    if (stack.work.empty()) {
      throw Error(ErrorKind::internal, "copied snapshots need a place");
    }
    const bool writable = !stack.upper.empty();
    if (writable && !fs::is_empty(stack.upper)) {
      put_below();
    }
    const auto directory = stack.work / (writable ? "root" : "view");
    fs::create_directory(directory);
    copy.emplace(stack.lowers, stack.mode, directory, writable ? CopiedTree::Use::write : CopiedTree::Use::read);
    mount = clone_mount(AT_FDCWD, directory.string(), false);
  }
};

MergedRoot::MergedRoot(const Stack& stack) : state_(std::make_unique<State>()) {
  state_->stack = stack;
  switch (stack.mode) {
    case SnapshotMode::trusted:
    case SnapshotMode::user:
      state_->mount = make_overlay(stack);
      break;
    case SnapshotMode::copy:
      state_->make_copy();
      break;
  }
}

MergedRoot::MergedRoot(MergedRoot&&) noexcept = default;

MergedRoot::~MergedRoot() {
  if (state_) {
    state_->mount.reset();
    forget_volatile_mount(state_->stack.work);
  }
}

const UniqueFd& MergedRoot::mount() const noexcept {
  return state_->mount;
}

void MergedRoot::settle() {
  auto& state = *state_;
  state.mount.reset();
  if (state.copy && !state.stack.upper.empty()) {
    state.copy->settle(state.stack.upper);
    remove_tree(state.copy->path());
  }
  forget_volatile_mount(state.stack.work);
}

store::SnapshotMode choose_snapshot_mode(const fs::path& directory) {
  enter_private_namespace();
  const auto native = store::native_snapshot_mode(directory);
  if (const char* wanted = std::getenv(kVariable);
      wanted != nullptr && *wanted != 0) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view text(wanted);
    const auto mode = text == "overlay" ? std::optional(native) : store::parse_snapshot_mode(text);
    if (!mode || (*mode != native && !marks_are_files(*mode))) {
      throw Error(ErrorKind::usage, std::string(kVariable) + "=" + wanted + " is unknown")
          .hint("it may be overlay or copy");
    }
    return *mode;
  }
  return works(directory, native) ? native : SnapshotMode::copy;
}

}  // namespace dlc::sandbox
