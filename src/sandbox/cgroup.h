#pragma once
// The control groups of one container, v1 or v2, by our own hand: a container without limits has none, so that nothing
// is left of it. Names carry this process's identity (pid and start time); what a kill left is found by it and removed.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace dlc::sandbox {

/// Where groups can be made on this host.
struct CgroupHost {
  std::string root = "/sys/fs/cgroup";
  bool unified = false;  ///< v2 at `root`; else v1 hierarchies below it (with or without a v2 one beside them)
  /// v2: "" or "/..." below the root. An ordinary user's groups are made beside the one dlc is in, where systemd hands
  /// that subtree over to the user.
  std::string parent;
};
/// `self`: the text of /proc/self/cgroup.
[[nodiscard]] CgroupHost describe_cgroups(const std::string& root, bool unified, bool ordinary_user,
                                          std::string_view self);
[[nodiscard]] CgroupHost look_at_cgroups();

struct CgroupLimits {
  std::uint64_t memory = 0;  ///< bytes; 0: none
  double cpus = 0;           ///< 0: none
};

/// One directory of a container's groups, and where below /sys/fs/cgroup the container sees it: "" (v2), "/cpu" (v1).
struct CgroupView {
  std::string directory;
  std::string place;
};

class Cgroup {
 public:
  /// "/dlc-PID-START-N", below the root of each hierarchy. Only a name until `limit`, or until a runtime makes it.
  explicit Cgroup(CgroupHost host = look_at_cgroups());
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  /// Removes the groups; by then nobody may be in them.
  ~Cgroup();

  /// A group within, for a runtime that makes and removes groups whatever it is told (runc).
  [[nodiscard]] std::string runtimes_path() const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Makes the groups for `limits`. False where this host does not let us.
  [[nodiscard]] bool limit(const CgroupLimits& limits);
  /// Where a process writes "0" to join; empty without limits.
  [[nodiscard]] std::vector<int> members() const;
  /// What was made for limits, so that programs in the container find the limits where they look for them.
  [[nodiscard]] const std::vector<CgroupView>& views() const noexcept { return views_; }
  [[nodiscard]] bool out_of_memory() const;
  [[nodiscard]] std::uint64_t peak_memory() const;  ///< bytes; 0: unknown

 private:
  bool limit_v1(const CgroupLimits& limits);
  bool limit_v2(const CgroupLimits& limits);
  bool join(const std::string& directory, const std::string& place);

  CgroupHost host_;
  std::string name_;
  std::string memory_;  ///< directory of the group that counts memory; empty: none
  std::vector<UniqueFd> members_;
  std::vector<CgroupView> views_;
  pid_t janitor_ = -1;
};

/// Removes the groups of processes that are gone. Called once at start.
void reap_cgroups();

}  // namespace dlc::sandbox
