#pragma once
// The checks of `dlc doctor`. Looking (`look_at_*`) and judging are apart, so that judging is tested without the
// machine.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlc::cli::doctor {

enum class Health { good, warning, bad };

struct Finding {
  std::string check;  ///< stable name: "kernel", "runtime", "store", ...
  Health health = Health::good;
  std::string text;    ///< one line
  std::string remedy;  ///< what to do, one line; empty where all is well
};

struct Kernel {
  std::string release;      ///< "6.1.0-18-amd64"
  std::string filesystems;  ///< /proc/filesystems
  std::uint64_t user_namespaces = 0;
  bool overlay_module = false;  ///< not loaded, but there
  bool root = false;
};
[[nodiscard]] Kernel look_at_kernel();
[[nodiscard]] Finding judge(const Kernel& kernel);

enum class Cgroups { none, legacy, hybrid, unified };
struct Runtimes {
  struct Program {
    std::string name;
    std::string version;  ///< empty: not installed; "?" where it does not say
  };
  std::vector<Program> programs;  ///< crun, runc
  std::string wanted;             ///< --runtime or DLC_RUNTIME; empty: any
  Cgroups cgroups = Cgroups::none;
};
[[nodiscard]] Runtimes look_at_runtimes(const std::string& wanted);
[[nodiscard]] Finding judge(const Runtimes& runtimes);

struct StoreSpace {
  std::string directory;
  std::uint64_t free = 0;  ///< bytes this user may use
  std::uint64_t inodes = 0;
  bool counts_inodes = true;  ///< btrfs and others have no limit
  std::string filesystem;     ///< "ext4", "overlay", "nfs", ...; empty: another one
  bool writable = true;
  bool copies = false;  ///< the store that is there copies its snapshots (store/snapshot_mode.h)
};
/// The nearest existing directory stands for one that is not there yet; nothing is created.
[[nodiscard]] StoreSpace look_at_store(const std::filesystem::path& directory);
[[nodiscard]] Finding judge(const StoreSpace& space);

/// An ordinary user's part: subordinate ids and the namespace that they are used in.
struct Users {
  bool root = true;
  std::string obstacle;  ///< why images cannot be made; empty: they can
  std::string remedy;
};
[[nodiscard]] Users look_at_users();
[[nodiscard]] Finding judge(const Users& users);

struct Memory {
  std::uint64_t available = 0;  ///< bytes; the smaller of the machine's and the control group's
  std::uint64_t total = 0;
};
[[nodiscard]] Memory look_at_memory();
[[nodiscard]] Memory parse_meminfo(std::string_view text);
[[nodiscard]] Finding judge(const Memory& memory);

struct Limits {
  std::uint64_t files = 0;  ///< hard limit of open files
  std::uint64_t processes = 0;
};
[[nodiscard]] Limits look_at_limits();
[[nodiscard]] Finding judge(const Limits& limits);

struct Tools {
  std::vector<std::string> missing;  ///< of those that only some builds need
};
[[nodiscard]] Tools look_at_tools();
[[nodiscard]] Finding judge(const Tools& tools);

struct Server {
  std::string check;  ///< "mirror", "pypi"
  std::string name;   ///< "package mirror", "PyPI"
  std::string url;
  std::chrono::milliseconds time{0};
  int status = 0;
  std::string error;  ///< why it could not be reached; empty: it answered
  std::string hint;
  bool intercepted = false;  ///< only with authorities that the distribution does not ship
};
/// Asks the servers at the same time; each answers or fails within about ten seconds.
[[nodiscard]] std::vector<Server> look_at_servers();
[[nodiscard]] Finding judge(const Server& server);

/// Certificate authorities that this host trusts beyond the distribution's: file names.
[[nodiscard]] std::vector<std::string> host_authorities(
    const std::filesystem::path& directory = "/usr/local/share/ca-certificates");
[[nodiscard]] std::optional<Finding> judge_authorities(const std::vector<std::string>& names);

}  // namespace dlc::cli::doctor
