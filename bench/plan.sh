#!/bin/bash
# Times one process of `dlc plan` over the recorded buildspecs: the 7 of tag v6.4-tf-2.1.1 (limit 20 ms) and all of the
# newest tag (limit 200 ms). Median of RUNS runs. Usage: [DLC=path] [RUNS=21] bench/plan.sh; status 1 over a limit.
set -euo pipefail
cd "$(dirname "$0")/.."
dlc=$(realpath "${DLC:-build/release/dlc}")
plans=${DLC_SHARED:-../shared}/corpus/plans
plans=$(realpath "$plans")
export dlc ACCOUNT_ID=123456789012 REGION=us-west-2

measure() { # NAME DIRECTORY LIMIT_MS
  python3 - "$@" <<'PY'
import glob, os, statistics, subprocess, sys, time
name, directory, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
os.chdir(directory)
files = sorted(f for f in glob.glob("**/buildspec*.yml", recursive=True) + glob.glob(".*/**/buildspec*.yml", recursive=True))
files = [f for f in files if "buildspec_pointer" not in open(f).read()]
command = [os.environ["dlc"], "plan", "--output", "json"] + [a for f in files for a in ("--buildspec", f)]
times = []
for _ in range(int(os.environ.get("RUNS", "21"))):
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    times.append((time.perf_counter() - start) * 1000)
    if done.returncode != 0:
        sys.exit("bench/plan.sh: %s: exit status %d: %s" % (name, done.returncode, done.stderr.decode()[-500:]))
median = statistics.median(times)
print("%-36s %4d buildspecs  median %6.1f ms  best %6.1f ms  limit %4.0f ms  %s"
      % (name, len(files), median, min(times), limit, "ok" if median < limit else "TOO SLOW"))
sys.exit(0 if median < limit else 1)
PY
}

status=0
measure v6.4-tf-2.1.1 "$plans/v6.4-tf-2.1.1" 20 || status=1
measure "newest tag" "$plans/v1.73-base-ec2-13.0.0-gpu-py312" 200 || status=1
exit $status
