"""What the main-job tests share: the program, its commands, and what must not be left behind."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILDSPEC = ROOT / "mxnet" / "buildspec.yml"
SELECTION = ["--framework", "mxnet"]
TRAINING_SELECTION = [*SELECTION, "--image_types", "training", "--device_types", "cpu", "--py_versions", "py3"]
TRAINING = "pr-mxnet-training:1.9.1-cpu-py3-debian12"
INFERENCE = "pr-mxnet-inference:1.9.1-cpu-py3-debian12"
PR_SET_CHILD_SUBREAPER = 36


class Failure(Exception):
    """A check that did not hold."""


class Results:
    """Counts checks and prints them as they end."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, function, *arguments):
        """Runs one check; its result is returned, None where it failed."""
        started = time.monotonic()
        value = None
        try:
            value = function(*arguments)
            self.passed += 1
            verdict, text = "ok    ", ""
        except (Failure, AssertionError, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            self.failed += 1
            verdict, text = "FAILED", f"\n    {type(error).__name__}: {error}"
        print(f"{verdict} {name}  ({time.monotonic() - started:.1f} s){text}", flush=True)
        return value

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def close(self):
        """Prints the closing line; the exit status."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}")
        return 1 if self.failed else 0


class Job:
    """`dlc` with a store of its own, in a directory."""

    def __init__(self, program, store, directory=ROOT):
        self.program = str(program)
        self.store = pathlib.Path(store)
        self.directory = pathlib.Path(directory)

    def environment(self, **more):
        env = {k: v for k, v in os.environ.items() if k not in ("ACCOUNT_ID", "REGION", "BUILD_CONTEXT", "CODEBUILD_BUILD_ID")}
        env.update(DLC_STORE=str(self.store), NO_COLOR="1", **more)
        return env

    def start(self, *arguments, prefix=(), env=None, log=None):
        return subprocess.Popen(
            [*prefix, self.program, *map(str, arguments)],
            cwd=self.directory,
            env=self.environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
        )

    def run(self, *arguments, status=0, env=None, prefix=(), timeout=1800):
        done = subprocess.run(
            [*prefix, self.program, *map(str, arguments)],
            cwd=self.directory,
            env=self.environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if status is not None and done.returncode != status:
            tail = "\n    ".join((done.stdout + done.stderr).splitlines()[-40:])
            raise Failure(f"dlc {' '.join(map(str, arguments))}: exit {done.returncode}, not {status}\n    {tail}")
        return done

    def build(self, selection, *options, **keywords):
        return self.run("build", "--buildspec", self.buildspec(), *selection, "--progress", "plain", *options, **keywords)

    def buildspec(self):
        return "mxnet/buildspec.yml"

    def inspect(self, reference):
        found = json.loads(self.run("image", "inspect", reference, "--output", "json").stdout)
        return found[0] if isinstance(found, list) else found

    def digest(self, reference):
        return self.inspect(reference)["digest"]

    def store_is_clean(self):
        self.run("store", "check", timeout=300)


def work_directory():
    """An empty directory on a disk that can hold overlay directories."""
    return pathlib.Path(tempfile.mkdtemp(prefix="dlc-main-job.", dir="/var/tmp"))


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)


def copy_tree(target):
    """The tracked files of this checkout as they are now, at another path."""
    target.mkdir(parents=True)
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--", "mxnet", "base", "artifacts"], capture_output=True, check=True
    ).stdout
    for name in filter(None, names.decode().split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def best_time(function, times=10):
    """The shortest of several runs, in milliseconds: what the work costs, without what else the machine did."""
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        function()
        best = min(best, (time.perf_counter() - started) * 1000)
    return best


def become_subreaper():
    """Orphans of what we start become our children, so that none can hide."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


not_ours = set()  # pids of children that belong to the test itself


def children():
    """Our live children, as `pid name`; those that have ended are reaped."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    found = []
    for pid in child_pids():
        if pid in not_ours:
            continue
        try:
            found.append(f"{pid} {pathlib.Path('/proc', str(pid), 'comm').read_text().strip()}")
        except OSError:
            pass
    return found


def child_pids():
    """The pids of the children of all our threads. A thread that ends meanwhile leaves its children to another one, so
    they are looked for again."""
    while True:
        pids = []
        try:
            for task in pathlib.Path("/proc/self/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
            return pids
        except FileNotFoundError:
            continue


def cgroups():
    """The cgroups of dlc's, but for those of live runs that are not ours: others may be at work on this machine."""
    found = set()
    for directory, folders, _ in os.walk("/sys/fs/cgroup"):
        for folder in folders:
            pid = folder.split("-")[1] if folder.startswith("dlc-") else ""
            if pid and not pathlib.Path("/proc", pid).exists():
                found.add(os.path.join(directory, folder))
    return found


def mounts_below(path):
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(path) in line or "/run/dlc" in line]


def nothing_left(store, cgroups_before, seconds=2.0):
    """Within this time no process, mount or cgroup of a killed run may be left."""
    deadline = time.monotonic() + seconds
    while True:
        left = children() + mounts_below(store) + sorted(cgroups() - cgroups_before)
        if not left:
            return
        if time.monotonic() > deadline:
            raise Failure("left behind: " + "; ".join(left[:8]))
        time.sleep(0.05)


def kill_now(process):
    """kill -9 of the program alone."""
    process.send_signal(signal.SIGKILL)
    process.wait()
