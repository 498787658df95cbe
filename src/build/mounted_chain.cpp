#include "build/mounted_chain.h"

namespace dlc::build {

MountedChain::MountedChain(store::Store& store, const codec::Digest& chain) {
  if (chain.is_zero()) {
    place_.emplace(sandbox::run_directory(), "empty-");
    return;
  }
  sandbox::Stack stack{.lowers = store.layers().lowers(chain), .upper = {}, .work = {}, .mode = store.layers().mode()};
  if (sandbox::views_need_work(stack.mode)) {
    place_.emplace(store.make_temporary_directory());
    stack.work = place_->path();
  }
  overlay_.emplace(stack);
}

std::filesystem::path MountedChain::path() const {
  return overlay_ ? overlay_->path() : place_->path();
}

}  // namespace dlc::build
