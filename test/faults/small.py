"""What the fault tests build: twelve small images over a local root file system, without a network; and watched runs."""
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "main-job"))

import job  # noqa: E402
from job import Failure, Job  # noqa: E402

BUSYBOX = pathlib.Path("/bin/busybox")
TOOLS = ("sh", "cat", "echo", "head", "sha256sum", "sleep", "true", "tee", "mkdir", "cp")
CALLS = {"write": "write,pwrite64,writev,pwritev", "fsync": "fsync,fdatasync,syncfs", "rename": "rename,renameat,renameat2"}
# The cause in our words; in a step's log it is in those of its own programs.
CAUSES = {
    "ENOSPC": re.compile(r"no space left|free where the store is|disk is full|have enough free space", re.I),
    "EIO": re.compile(r"input/output error|i/o error|no space left", re.I),
}
REUSED = ("nothing that it depends on changed", "the same step over the same content is known")


def write_root(path):
    """A root file system of busybox alone."""
    with tarfile.open(path, "w") as tar:
        for name in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        data = BUSYBOX.read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
        for name in TOOLS:
            entry = tarfile.TarInfo("bin/" + name)
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)


class Small(Job):
    """A buildspec of small images that share their first steps. `pause`: seconds that each step sleeps."""

    def __init__(self, program, store, directory, images=12, pause=0.0):
        super().__init__(program, store, directory)
        self.images = images
        root = self.directory / "small" / "training"
        (root / "docker").mkdir(parents=True, exist_ok=True)
        write_root(root / "root.tar")
        text = ["framework: &FRAMEWORK small\nversion: &VERSION '1'\naccount_id: '0'\nregion: local\nimages:\n"]
        for number in range(images):
            (root / "docker" / f"Dockerfile.{number}").write_text(
                "FROM scratch\nADD root.tar /\n"
                f"RUN head -c 4000000 /dev/zero | sha256sum > /shared && sleep {pause}\n"
                f"RUN head -c 3000000 /dev/urandom > /tmp/x && head -c 3000000 /dev/zero > /zeros{number} && echo made {number}"
                f" && sleep {pause} && echo > /tmp/x\n"
                f"COPY file{number} /file\n"
                f"RUN sha256sum /zeros{number} /file | tee /sums && sleep {pause}\n"
            )
            (root / f"file{number}").write_text(f"{number}\n" * 1000)
            text.append(
                f"  Small{number}:\n    build: true\n    root: small/training\n    image_type: training\n    device_type: cpu\n"
                f"    python_version: py3\n    image_size_baseline: 100\n    repository: local/small-{number}\n    tag: '1'\n"
                f"    docker_file: docker/Dockerfile.{number}\n"
                "    context:\n"
                "      root: {source: root.tar, target: root.tar}\n"
                f"      file: {{source: file{number}, target: file{number}}}\n"
            )
        (self.directory / "small" / "buildspec.yml").write_text("".join(text))

    def buildspec(self):
        return "small/buildspec.yml"

    def references(self):
        return [f"small-{number}:1" for number in range(self.images)]

    def build_arguments(self, *more):
        return ["build", "--buildspec", self.buildspec(), "--framework", "small", "--jobs", "2", *more]

    def digests(self):
        return {reference: self.digest(reference) for reference in self.references()}


class Watched:
    """A run of dlc with `--progress jsonl` whose events are read as they come, so that it never waits for us."""

    def __init__(self, some, arguments, env=None, stdin=subprocess.DEVNULL):
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [some.program, *map(str, arguments), "--progress", "jsonl"],
            cwd=some.directory, env=some.environment(**(env or {})), stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self.lines = []  # (seconds from the start, text)
        self.ended = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for raw in self.process.stdout:
            with self.changed:
                self.lines.append((time.monotonic() - self.started, raw.decode(errors="replace")))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, wanted, seconds=1800):
        """Until `wanted(lines)` holds; False where the run ended before."""
        with self.changed:
            if not self.changed.wait_for(lambda: wanted(self.lines) or self.ended, timeout=seconds):
                raise Failure(f"nothing of what was waited for within {seconds} s:\n{self.text()[-2000:]}")
            return wanted(self.lines)

    def finish(self, seconds=1800):
        """The exit status; whoever is left of the run's own children is not waited for."""
        status = self.process.wait(timeout=seconds)
        self.reader.join(timeout=10)
        return status

    def text(self):
        return "".join(text for _, text in self.lines)

    def kill(self):
        """kill -9 of the program alone. Returns whether it was still at work."""
        at_work = self.process.poll() is None
        job.kill_now(self.process)
        return at_work


def phases(lines):
    """(seconds, name) of each base and step that begins to run, in order: what is reused has no such moment."""
    names, found = {}, []
    for when, text in lines:
        if not text.startswith('{"schema"'):
            continue
        try:
            event = json.loads(text)
        except ValueError:
            continue
        if event.get("event") == "begin":
            names[event["id"]] = event["name"]
            if event["kind"] == "base":
                found.append((when, event["name"]))
        elif event.get("event") == "cache" and event["reason"] not in REUSED and event["id"] in names:
            found.append((when, names[event["id"]]))
    return found


def reclaimed(store):
    """After a start that followed a kill nothing of the dead run may be in tmp/."""
    left = sorted(path.name for path in (store / "tmp").iterdir()) if (store / "tmp").is_dir() else []
    if left:
        raise Failure(f"left in the store's tmp/: {', '.join(left)}")


def sound(some, before):
    """No process, mount or cgroup is left within two seconds; the next start finds a clean store and tidies it."""
    job.nothing_left(some.store, before)
    if (some.store / "format").exists():
        some.store_is_clean()
        reclaimed(some.store)


def judge(done, error, statuses, muted=False):
    """What a run said about this error, if it was one for it. `muted`: writing that may have failed too."""
    text = done.stdout + done.stderr
    if done.returncode == 0:
        return
    if done.returncode not in statuses:
        raise Failure(f"exit {done.returncode}\n{text[-3000:]}")
    if not CAUSES[error].search(text) and (text or not muted):
        raise Failure(f"the message does not name the cause\n{text[-3000:]}")


def inject(some, arguments, kind, error, when, statuses):
    """A run in which one kind of call fails in every thread of the program: at its N-th time, or with N+ from then on.

    What it starts is left alone: a program of a step may take a failed write for an end, and go on with half a result.
    """
    prefix = ["strace", "-f", "-b", "execve", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS[kind]}",
              "-e", f"inject={CALLS[kind]}:error={error}:when={when}"]
    # SQLite says of a flush that failed only that it did.
    judge(some.run(*arguments, status=None, prefix=prefix, timeout=300), "EIO" if kind == "fsync" else error, statuses,
          muted=kind == "write")
