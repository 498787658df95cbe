"""What the tests of the edit commands share (test/edits/run, test/long/edits): the program on a tree of definitions, and
what a command changed there. DLC names the program."""
import difflib
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = os.path.abspath(os.environ.get("DLC", str(ROOT / "build" / "release" / "dlc")))


class Failure(AssertionError):
    pass


def expect(condition, text):
    if not condition:
        raise Failure(text)


class Tree:
    """Definitions at some place, and the program at work on them with a store."""

    def __init__(self, root, store):
        self.root = pathlib.Path(root)
        self.store = pathlib.Path(store)

    def start(self, *arguments, under=(), temporary=None):
        """The program at work, below another one (strace, say) where one is given."""
        env = {**os.environ, "DLC_STORE": str(self.store), **({"TMPDIR": str(temporary)} if temporary else {})}
        return subprocess.Popen([*under, PROGRAM, *arguments], cwd=self.root, env=env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, status=0):
        process = self.start(*arguments)
        out, err = process.communicate()
        expect(process.returncode == status, f"dlc {' '.join(arguments)}: status {process.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def images(self):
        return json.loads(self.run("plan", "--ignore-requires", "--output", "json").stdout)["images"]

    def files(self):
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths if ".git" not in path.parts}

    def findings(self):
        found = json.loads(subprocess.run([PROGRAM, "lint", "--output", "json"], cwd=self.root, stdin=subprocess.DEVNULL,
                                          capture_output=True, text=True, check=False).stdout)
        return found["findings"]

    def lint_errors(self):
        return [item for item in self.findings() if item["severity"] == "error" or item.get("rule", "").startswith("missing-")]


def changed(before, after):
    """path -> (lines that went, lines that came) of files that are in both."""
    result = {}
    for path, old in before.items():
        new = after.get(path)
        expect(new is not None, f"{path} is gone")
        if new != old:
            lines = list(difflib.ndiff(old.decode().splitlines(), new.decode().splitlines()))
            result[path] = ([line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"])
    return result


def targets(image):
    return {target: source for source, target in image["context"]}


def file_in(copy, path, text="#!/bin/sh\n", mode=0o755):
    full = copy.root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(text)
    full.chmod(mode)
    return path
