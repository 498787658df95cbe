#include "sandbox/mount_api.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/error.h"

namespace dlc::sandbox {

UniqueFd clone_mount(int directory, const std::string& path, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  flags |= recursive ? AT_RECURSIVE : 0U;
  flags |= path.empty() ? AT_EMPTY_PATH : 0U;
  const int fd = ::open_tree(directory, path.c_str(), flags);
  if (fd < 0) {
    throw system_error("open_tree " + path);
  }
  return UniqueFd(fd);
}

void make_read_only(const UniqueFd& mount) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) != 0) {
    throw system_error("make a mount read-only");
  }
}

void attach_mount(const UniqueFd& mount, const std::string& target) {
  if (::move_mount(mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    throw system_error("mount on " + target);
  }
}

}  // namespace dlc::sandbox
