#include "sandbox/seccomp.h"

#include <seccomp.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace dlc::sandbox {

namespace {

using nlohmann::json;

// What Docker's default profile allows a container with Docker's default capabilities on a kernel of 4.8 or newer
// (ptrace is allowed from there on). Calls that need a capability outside that set are not listed.
constexpr std::string_view kAllowed[] = {
    // files
    "access", "chdir", "chmod", "chown", "chown32", "chroot", "close", "close_range", "copy_file_range", "creat", "dup",
    "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fchdir", "fchmod", "fchmodat",
    "fchmodat2", "fchown", "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock",
    "fremovexattr", "fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
    "ftruncate64", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "getxattrat", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "lchown", "lchown32", "lgetxattr", "link", "linkat",
    "listxattr", "listxattrat", "llistxattr", "_llseek", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64",
    "mkdir", "mkdirat", "mknod", "mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2", "pread64",
    "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readdir", "readlink", "readlinkat",
    "readv", "removexattr", "removexattrat", "rename", "renameat", "renameat2", "rmdir", "sendfile", "sendfile64",
    "setxattr", "setxattrat", "splice", "stat", "stat64", "statfs", "statfs64", "statmount", "listmount", "statx",
    "symlink", "symlinkat", "sync", "sync_file_range", "sync_file_range2", "arm_sync_file_range", "syncfs", "tee",
    "truncate", "truncate64", "ugetrlimit", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimensat_time64",
    "utimes", "vmsplice", "write", "writev", "memfd_create", "memfd_secret", "fanotify_mark", "lsm_get_self_attr",
    "lsm_list_modules", "lsm_set_self_attr", "cachestat", "file_getattr", "file_setattr",
    // processes, credentials, limits
    "alarm", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "get_robust_list",
    "get_thread_area", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32",
    "getitimer", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresgid32",
    "getresuid", "getresuid32", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "getuid32", "ioprio_get",
    "ioprio_set", "kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "nice", "pause",
    "pidfd_open", "pidfd_send_signal", "prctl", "arch_prctl", "prlimit64", "process_mrelease", "ptrace",
    "process_vm_readv", "process_vm_writev", "restart_syscall", "rseq", "seccomp", "set_robust_list", "set_thread_area",
    "set_tid_address", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
    "setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32",
    "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit", "setsid", "setuid", "setuid32", "sysinfo",
    "tgkill", "times", "tkill", "uname", "vfork", "wait4", "waitid", "waitpid", "modify_ldt", "membarrier",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
    "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr",
    "sched_setparam", "sched_setscheduler", "sched_yield", "getcpu", "map_shadow_stack", "uretprobe", "riscv_hwprobe",
    // memory
    "brk", "madvise", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap", "mseal", "msync",
    "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect", "remap_file_pages",
    // signals, time, waiting
    "adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64", "clock_gettime",
    "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "futex",
    "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "gettimeofday", "nanosleep",
    "_newselect", "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "select", "sigaltstack", "signalfd", "signalfd4", "sigprocmask", "sigreturn", "time",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime",
    "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
    // sockets and other communication
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "pipe", "pipe2",
    "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg", "sendto", "setsockopt",
    "shutdown", "socketcall", "socketpair", "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive",
    "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv",
    "msgsnd", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt", "shmget",
    "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit",
    "ioctl"};

constexpr std::uint64_t kNamespaceFlags = 0x7E020000;  // CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
constexpr int kAddressFamilyVsock = 40;

/// personality(2) values that change nothing of importance: Linux, 32-bit uname, and asking.
constexpr std::array<std::uint64_t, 5> kPersonalities{0x0, 0x0008, 0x20000, 0x20008, 0xffffffff};

bool known(std::string_view name) {
  return ::seccomp_syscall_resolve_name(std::string(name).c_str()) != __NR_SCMP_ERROR;
}

json argument(int index, std::uint64_t value, std::string_view op) {
  return {{"index", index}, {"value", value}, {"op", op}};
}

json architectures() {
#if defined(__x86_64__)
  return json::array({"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"});
#elif defined(__aarch64__)
  return json::array({"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"});
#else
#error "name the seccomp architectures of this machine"
#endif
}

std::string make_profile() {
  json names = json::array();
  for (const auto name : kAllowed) {
    if (known(name)) {
      names.push_back(name);
    }
  }
  json calls = json::array();
  calls.push_back({{"names", names}, {"action", "SCMP_ACT_ALLOW"}});
  for (const auto value : kPersonalities) {
    calls.push_back({{"names", json::array({"personality"})},
                     {"action", "SCMP_ACT_ALLOW"},
                     {"args", json::array({argument(0, value, "SCMP_CMP_EQ")})}});
  }
  calls.push_back({{"names", json::array({"socket"})},
                   {"action", "SCMP_ACT_ALLOW"},
                   {"args", json::array({argument(0, kAddressFamilyVsock, "SCMP_CMP_NE")})}});
  json flags = argument(0, kNamespaceFlags, "SCMP_CMP_MASKED_EQ");
  flags["valueTwo"] = 0;
  calls.push_back({{"names", json::array({"clone"})}, {"action", "SCMP_ACT_ALLOW"}, {"args", json::array({flags})}});
  // The flags of clone3 lie in memory, where a filter cannot look: "not implemented" makes libc fall back to clone.
  calls.push_back({{"names", json::array({"clone3"})}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOSYS}});
  const json profile{{"defaultAction", "SCMP_ACT_ERRNO"},
                     {"defaultErrnoRet", EPERM},
                     {"architectures", architectures()},
                     {"syscalls", calls}};
  return profile.dump();
}

}  // namespace

std::span<const std::string_view> allowed_system_calls() {
  return kAllowed;
}

const std::string& seccomp_profile() {
  static const std::string kProfile = make_profile();
  return kProfile;
}

}  // namespace dlc::sandbox
