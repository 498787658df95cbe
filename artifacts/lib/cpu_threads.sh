# Sourced by the entrypoints. cpu_threads prints how many CPUs this container may use: those of its CPU set, at most
# its quota (cgroup v2, else v1), at least 1. OpenMP itself looks at the CPU set only, and a quota of one CPU on a
# machine with 64 would otherwise get 64 threads.
cpu_threads() {
  cpus=$(nproc 2>/dev/null || echo 1)
  quota=max period=100000
  if [ -r /sys/fs/cgroup/cpu.max ]; then
    read -r quota period </sys/fs/cgroup/cpu.max || :
  elif [ -r /sys/fs/cgroup/cpu/cpu.cfs_quota_us ] && [ -r /sys/fs/cgroup/cpu/cpu.cfs_period_us ]; then
    read -r quota </sys/fs/cgroup/cpu/cpu.cfs_quota_us || :
    read -r period </sys/fs/cgroup/cpu/cpu.cfs_period_us || :
  fi
  case $quota in
    '' | *[!0-9]*) ;; # "max" and -1: no quota
    *)
      limit=$(((quota + period - 1) / period))
      if [ "$limit" -ge 1 ] && [ "$limit" -lt "$cpus" ]; then cpus=$limit; fi
      ;;
  esac
  echo "$cpus"
}
