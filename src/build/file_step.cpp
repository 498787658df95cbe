// COPY, ADD and WORKDIR: files are written through a mount of the parent with a fresh upper directory, so that the
// kernel resolves what lies below, and the upper holds the changes alone.
#include <fcntl.h>

#include "base/error.h"
#include "base/fd.h"
#include "build/copier.h"
#include "build/step.h"
#include "build/unpack_archive.h"
#include "dockerfile/ignore.h"
#include "sandbox/rooted.h"

namespace dlc::build {

store::CommitOptions commit_options(const StepContext& context) {
  return {.epoch = context.vertex.epoch,
          .compression = context.options.compression,
          .pack = context.pack,
          .ancestors = true,
          .stop = context.stop};
}

namespace {

/// A destination to write to: the parent with a new upper on top, or the upper `alone` (COPY --link, whose layer must
/// not depend on what lies below).
class Destination {
 public:
  Destination(const StepContext& context, bool alone)
      : parent_(context.inputs.at(0).chain.value()), snapshot_(context.store.layers().begin(parent_)) {
    const auto mode = context.store.layers().mode();
    const bool over_parent = !parent_.is_zero() && !alone;
    if (over_parent || marks_are_files(mode)) {  // a file of any name may come; marks are for the stack to make
      overlay_.emplace(sandbox::Stack{
          .lowers = over_parent ? context.store.layers().lowers(parent_) : std::vector<std::filesystem::path>(),
          .upper = snapshot_.upper(),
          .work = snapshot_.work(),
          .mode = mode});
    }
    root_.emplace(overlay_ ? overlay_->path() : snapshot_.upper());
  }
  [[nodiscard]] const RootTree& root() const { return *root_; }

  store::Layer commit(const StepContext& context, const store::CommitOptions& options) {
    root_.reset();
    if (overlay_) {
      overlay_->finish();
    }
    return context.store.layers().commit(std::move(snapshot_), parent_, options, &context.activity);
  }

 private:
  Digest parent_;
  store::WorkingSnapshot snapshot_;
  std::optional<sandbox::OverlayMount> overlay_;
  std::optional<RootTree> root_;
};

using Owner = std::optional<std::pair<std::uint32_t, std::uint32_t>>;

Owner owner_of(const RootTree& root, const std::string& name) {
  if (name.empty()) {
    return std::nullopt;
  }
  const UniqueFd directory = open_at(root.fd(), ".", O_RDONLY | O_DIRECTORY);
  const auto ids = sandbox::resolve_owner(directory.get(), name);
  return std::pair(ids.uid, ids.gid);
}

/// Names are looked up in the file system below even where the layer is made apart from it.
Owner owner_in_parent(const StepContext& context, const std::string& name) {
  const MountedChain parent(context.store, context.inputs.at(0).chain.value());
  return owner_of(RootTree(parent.path()), name);
}

/// The inputs of a COPY as trees; file systems of stages stay mounted while this lives.
class Sources {
 public:
  explicit Sources(const StepContext& context) : trees_(context.inputs.size()) {
    for (std::size_t i = 1; i < context.inputs.size(); ++i) {
      const auto& input = context.inputs[i];
      if (input.tree) {
        trees_[i] = input.tree;
      } else if (input.chain) {
        mounts_.push_back(std::make_unique<MountedChain>(context.store, *input.chain));
        trees_[i] = std::make_shared<RootTree>(mounts_.back()->path());
      }
    }
  }
  ~Sources() {
    trees_.clear();  // descriptors first, then the mounts they are in
  }
  Sources(const Sources&) = delete;
  Sources& operator=(const Sources&) = delete;
  [[nodiscard]] const Tree& at(std::uint32_t input) const { return *trees_.at(input); }

 private:
  std::vector<std::unique_ptr<MountedChain>> mounts_;
  std::vector<std::shared_ptr<const Tree>> trees_;
};

void copy_one(Copier& copier, const RootTree& root, const Sources& sources, const CopyOp& op, const CopySource& source,
              bool directory, const Owner& owner) {
  const Tree& tree = sources.at(source.input);
  const auto selected = select(tree, source, op.parents);
  const bool into_directory = directory || selected.size() > 1;
  for (const auto& item : selected) {
    if (source.unpack && item.node.type == Node::Type::file) {
      const UniqueFd file = tree.open(item.path);
      const auto before = resolve(root, op.dest, Missing::keep).value();
      const auto there = root.lstat(before);
      // Only a directory can take an archive's content: it is made before the archive is known to be one, as it would
      // be for a plain file with a trailing slash; without the slash a plain file must still be able to take the name.
      if (there && there->type != Node::Type::directory) {
        copier.copy(tree, item, op.dest, into_directory);
        continue;
      }
      if (!is_archive(file.get(), item.path)) {
        copier.copy(tree, item, op.dest, into_directory);
        continue;
      }
      const UniqueFd again = tree.open(item.path);
      // --chmod is not for archives, nor for the directory that takes one.
      Copier plain(root, {.owner = owner});
      unpack_archive(again.get(), item.path, root, plain.make_directories(op.dest), owner);
      continue;
    }
    copier.copy(tree, item, op.dest, into_directory);
  }
}

}  // namespace

store::Layer copy_step(const StepContext& context, const CopyOp& op) {
  const Sources sources(context);
  Destination destination(context, op.link);
  const auto& root = destination.root();
  std::optional<dockerfile::IgnoreMatcher> excludes;
  if (!op.excludes.empty()) {
    excludes.emplace(op.excludes);
  }
  const auto owner = op.link ? owner_in_parent(context, op.chown) : owner_of(root, op.chown);
  CopyStyle style{.owner = owner, .mode = std::nullopt, .excludes = excludes ? &*excludes : nullptr};
  if (!op.chmod.empty()) {
    style.mode.emplace(op.chmod);
  }
  Copier copier(root, style);
  for (const auto& source : op.sources) {
    copy_one(copier, root, sources, op, source, op.dest_is_directory, owner);
  }
  for (const auto& file : op.inline_files) {
    copier.write_file(file.name, file.data, op.dest, op.dest_is_directory);
  }
  auto options = commit_options(context);
  options.ancestors = !op.link;
  return destination.commit(context, options);
}

store::Layer make_directory_step(const StepContext& context, const MakeDirectoryOp& op) {
  Destination destination(context, false);
  CopyStyle style;
  style.owner = owner_of(destination.root(), op.user);
  Copier copier(destination.root(), style);
  copier.make_directories(op.path);
  return destination.commit(context, commit_options(context));
}

}  // namespace dlc::build
