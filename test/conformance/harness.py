"""What mutate and repro share: diffbuild as a module, the bases served on loopback, one build of one case."""
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
# A step of the Dockerfile, among the names of vertices: "[2/3] RUN ...", "[stage 2/3] COPY ...".
STEP = re.compile(r"\[(?:\S+ +)?\d+/\d+\] (?!FROM )")
TIMEOUT = 300


def load_diffbuild():
    loader = importlib.machinery.SourceFileLoader("diffbuild", os.path.join(HERE, "diffbuild"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("diffbuild", loader))
    loader.exec_module(module)
    return module


diffbuild = load_diffbuild()


def cases(patterns):
    found = diffbuild.find_cases([os.path.join(HERE, "cases")], patterns)
    return [case for case in found if not case.j.get("skip")]


def make_bases(directory, fat, changed=False):
    """The bases of diffbuild; `changed`: with another file in each, and other content of /etc/os-release."""
    if os.path.exists(os.path.join(directory, "index.json")):
        return
    entries = diffbuild.tiny_entries
    other_fat = None
    if changed:
        def changed_entries(busybox):
            made = [(name, dict(entry, data=b"ID=changed\n") if name == "etc/os-release" else entry)
                    for name, entry in entries(busybox)]
            return made + [("base-changed", dict(data=b"yes\n", mode=0o644))]
        diffbuild.tiny_entries = changed_entries
        if os.path.exists(fat):
            other_fat = directory + ".fat"
            shutil.copyfile(fat, other_fat)
            import io
            import tarfile
            with tarfile.open(other_fat, "a") as tar:
                info = tarfile.TarInfo("./base-changed")
                info.mtime, info.size = diffbuild.EPOCH, 4
                tar.addfile(info, io.BytesIO(b"yes\n"))
    try:
        diffbuild.mkbase(directory, shutil.which("busybox"), other_fat or fat)
    finally:
        diffbuild.tiny_entries = entries
        if other_fat:
            os.unlink(other_fat)


def base_digests(directory):
    index = read_json(directory, "index.json")
    return {d["annotations"]["org.opencontainers.image.ref.name"]: d["digest"] for d in index["manifests"]}


class Prepared:
    """A case's context, Dockerfile and named contexts in a directory of their own, as diffbuild prepares them."""

    def __init__(self, case, work, port):
        self.case, self.work = case, work
        os.makedirs(work)
        self.context, self.files = diffbuild.prepare(case, work)
        for name in os.listdir(self.files):
            path = os.path.join(self.files, name)
            with open(path, "rb") as file:
                text = file.read()
            changed = text.replace(b"conformance.local/", b"127.0.0.1:%d/" % port)
            if changed != text:
                with open(path, "wb") as file:
                    file.write(changed)
        self.args = dict(case.j.get("args") or {})
        self.secrets = dict(case.j.get("secrets") or {})

    def copy(self, work):
        """The same somewhere else, with all times, owners, links and special files."""
        other = object.__new__(Prepared)
        other.case, other.work = self.case, work
        subprocess.run(["cp", "-a", self.work, work], check=True)
        other.context, other.files = os.path.join(work, "ctx"), os.path.join(work, "df")
        other.args, other.secrets = dict(self.args), dict(self.secrets)
        return other

    @property
    def dockerfile(self):
        return os.path.join(self.files, self.case.dockerfile)

    def read_dockerfile(self):
        with open(self.dockerfile, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def write_dockerfile(self, text):
        with open(self.dockerfile, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def command(self, program, out, extra=()):
        line = [program, "image", "build", "--progress", "rawjson", "-f", self.dockerfile]
        for key, value in sorted(self.args.items()):
            line += ["--build-arg", f"{key}={value}"]
        if self.case.j.get("target"):
            line += ["--target", self.case.j["target"]]
        for key, path in sorted((self.case.j.get("contexts") or {}).items()):
            line += ["--build-context", f"{key}={os.path.join(self.work, path)}"]
        for key, path in sorted(self.secrets.items()):
            line += ["--secret", f"id={key},src={os.path.join(self.files, path)}"]
        return [*line, *extra, "--output", f"type=oci,tar=false,dest={out}", self.context]


def read_json(*place):
    with open(os.path.join(*place)) as file:
        return json.load(file)


def first_difference(want, got, where="config"):
    """Where two JSON values differ first, as text."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted(set(want) | set(got)):
            if want.get(key) != got.get(key):
                return first_difference(want.get(key), got.get(key), f"{where}.{key}")
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for number, pair in enumerate(zip(want, got)):
            if pair[0] != pair[1]:
                return first_difference(*pair, f"{where}[{number}]")
    return f"{where} is {got!r}, was {want!r}"


class Result:
    """status, log, steps (name -> cached), and of a build that succeeded digest and image."""

    def __init__(self, status, log, out, want_image):
        self.status, self.log, self.steps = status, log, {}
        self.digest, self.image, self.config, self.errors = None, None, {}, []
        for line in log.splitlines():
            if not line.startswith("{"):
                self.errors.append(line)
                continue
            for vertex in json.loads(line).get("vertexes") or []:
                if vertex.get("completed") and STEP.match(vertex["name"]):
                    self.steps[vertex["name"]] = bool(vertex.get("cached"))
        if status == 0:
            self.digest = read_json(out, "index.json")["manifests"][0]["digest"]
            manifest = read_json(out, "blobs/sha256/" + self.digest[7:])
            self.config = read_json(out, "blobs/sha256/" + manifest["config"]["digest"][7:])
            if want_image:
                self.image = diffbuild.load_image(out)

    @property
    def built(self):
        return self.status == 0

    def message(self):
        """What went wrong, without paths and digests of this build."""
        text = "\n".join(line for line in self.errors if "ERROR" in line)
        return re.sub(r"/var/tmp/\S+|/tmp/\S+|[0-9a-f]{12,}|\d+(\.\d+)?s\b", "*", text)

    def ran(self):
        return [name for name, cached in self.steps.items() if not cached]


def build(program, prepared, store, extra=(), env=None, wrap=(), want_image=True):
    out = os.path.join(prepared.work, "out")
    shutil.rmtree(out, ignore_errors=True)
    command = [*wrap, *prepared.command(program, out, extra)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               cwd=prepared.context, env={**os.environ, **(env or {}), "DLC_STORE": store},
                               start_new_session=True)
    try:
        log, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Result(-1, f"ERROR: no end after {TIMEOUT} s", out, False)
    try:
        return Result(process.returncode, log.decode("utf-8", "replace"), out, want_image)
    finally:
        shutil.rmtree(out, ignore_errors=True)


class Compare:
    """The options that diffbuild's comparison reads."""
    mtime, layers, lax, ancestors, base_ids = False, True, False, False, frozenset()


def differences(want, got, case):
    """Of two builds that should be the same, file by file; times of files apart."""
    if want.built != got.built:
        return ["one built, the other failed: " + (want.message() or got.message())]
    if not want.built:
        return [] if want.message() == got.message() else [f"{got.message()!r}, want {want.message()!r}"]
    as_result = [{"ok": True, "img": result.image} for result in (want, got)]
    saved = case.j.get("mtime")
    case.j.pop("mtime", None)  # a file whose content is cached keeps the time of that build
    try:
        return diffbuild.compare(*as_result, case, Compare)
    finally:
        if saved is not None:
            case.j["mtime"] = saved


def number_of(text, count):
    """One of `count`, always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:4], "big") % count
