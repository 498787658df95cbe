"""What the tests of `dlc image build` share: a store, a base, directories, servers on loopback, reading images."""
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tarfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("DLC", str(ROOT / "build" / "release" / "dlc"))
BASE = "base.test/base:1"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
TOOLS = "sh cat chmod cp date echo env grep hostname id ln ls mkdir mount pwd rm sleep stat test touch true false uname wc".split()


class Failure(Exception):
    """A check that did not hold."""


class Skip(Exception):
    """This host cannot show it."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def equal(found, wanted, what="value"):
    if found != wanted:
        raise Failure(f"{what}: {found!r}, expected {wanted!r}")


def contains(text, part):
    if part not in text:
        raise Failure(f"{part!r} is not in:\n{text}")


class Done:
    def __init__(self, completed):
        self.status = completed.returncode
        self.raw = completed.stdout
        self.out = completed.stdout.decode("utf-8", "backslashreplace")
        self.err = completed.stderr.decode("utf-8", "backslashreplace")


class Shared:
    """One store with one base image, for all tests: busybox in a root of its own."""

    def __init__(self, work):
        self.work = work
        self.store = work / "store"
        context = work / "base-context"
        context.mkdir()
        shutil.copy("/bin/busybox", context / "busybox")
        links = " && ".join(f"/bin/busybox ln -s busybox /bin/{tool}" for tool in TOOLS)
        (context / "Dockerfile").write_text(
            f'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", {json.dumps(links)}]\n'
            "RUN mkdir -p /etc /tmp /root && chmod 1777 /tmp && echo root:x:0:0:root:/root:/bin/sh >/etc/passwd && echo root:x:0: >/etc/group\n"
        )
        bench = Bench(self, "base")
        bench.build("-t", BASE, context)
        bench.close()

    def close(self):
        pass


class Bench:
    def __init__(self, shared, name):
        self.shared = shared
        self.store = shared.store
        self.home = shared.work / name.replace("/", "-")
        self.home.mkdir()
        self.closers = []
        self.images = 0

    def close(self):
        for closer in reversed(self.closers):
            closer()
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.home)], check=False)

    # files

    def write(self, path, text, mode=0o644):
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        target.chmod(mode)
        return target

    def context(self, dockerfile, name="context", **files):
        """A directory with a Dockerfile and files (a_txt: a.txt)."""
        self.write(f"{name}/Dockerfile", dockerfile.replace("BASE", BASE))
        for key, text in files.items():
            self.write(f"{name}/{key.replace('_', '.')}", text)
        return self.home / name

    def fresh_store(self):
        """A store of this test's own, with the base."""
        store = self.home / "store"
        archive = self.shared.work / "base.tar"
        if not archive.exists():
            self.dlc("image", "save", "-o", archive, BASE)
        self.store = store
        self.dlc("image", "load", "-i", archive)
        return store

    # the program

    def environment(self, **more):
        keep = ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        env = {k: v for k, v in os.environ.items() if k in keep}
        env.update(HOME=str(self.home), DLC_STORE=str(self.store), NO_COLOR="1", **more)
        return env

    def dlc(self, *arguments, status=0, env=None, stdin=None, cwd=None, prefix=()):
        words = [*prefix, PROGRAM, *map(str, arguments)]
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = Done(subprocess.run(words, cwd=cwd or self.home, env=self.environment(**(env or {})), capture_output=True,
                                   check=False, timeout=600, **given))
        if status is not None and done.status != status:
            raise Failure(f"{shlex.join(words)}: exit {done.status}, not {status}\n{(done.out + done.err)[-4000:]}")
        return done

    def build(self, *arguments, **keywords):
        return self.dlc("image", "build", "--progress", "plain", "--host-certs", "off", *arguments, **keywords)

    def inspect(self, name, *arguments):
        return json.loads(self.dlc("image", "inspect", "--output", "json", *arguments, name).out)[0]

    def run_image(self, name, *command, **keywords):
        return self.dlc("run", "--rm", name, *command, **keywords).out

    # layouts

    def serve(self, directory):
        """http://127.0.0.1:PORT over the files of a directory."""
        return self.start_server(lambda *a: QuietFiles(*a, directory=str(directory)))

    def start_server(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.closers.append(lambda: (server.shutdown(), server.server_close()))
        return f"http://127.0.0.1:{server.server_address[1]}"

    def registry(self, **keywords):
        """host:port of a registry on loopback."""
        registry = Registry(**keywords)
        url = self.start_server(lambda *a: RegistryHandler(registry, *a))
        return url.removeprefix("http://"), registry


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Registry:
    """`referrers_api`: lists what names a manifest as its subject; `artifacts`: takes such manifests at all."""

    def __init__(self, referrers_api=False, artifacts=True):
        self.referrers_api, self.artifacts = referrers_api, artifacts
        self.blobs = {}
        self.manifests = {}
        self.lock = threading.Lock()

    def referrers(self, name, subject):
        """Descriptors of the manifests of the repository with this subject."""
        found = []
        for (repository, reference), (text, media) in self.manifests.items():
            document = json.loads(text)
            if repository == name and reference == digest(text) and document.get("subject", {}).get("digest") == subject:
                found.append({"mediaType": media, "digest": reference, "size": len(text),
                              "artifactType": document["artifactType"], "annotations": document["annotations"]})
        return found


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    """The little of the distribution-spec that push and pull need."""

    protocol_version = "HTTP/1.1"

    def __init__(self, registry, *arguments):
        self.registry = registry
        super().__init__(*arguments)

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["v2"]:
            return self.answer(200)
        name, kind, what = "/".join(parts[1:-2]), parts[-2], parts[-1]
        with self.registry.lock:
            if kind == "blobs" and what in self.registry.blobs:
                return self.answer(200, self.registry.blobs[what], Docker_Content_Digest=what)
            if kind == "manifests" and (name, what) in self.registry.manifests:
                text, media = self.registry.manifests[name, what]
                return self.answer(200, text, Content_Type=media, Docker_Content_Digest=digest(text))
            if kind == "referrers" and self.registry.referrers_api:
                index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.registry.referrers(name, what)}
                return self.answer(200, json.dumps(index).encode(), Content_Type=OCI_INDEX)
        self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):
        self.body()
        self.answer(202, Location=self.path.split("?")[0].rstrip("/") + "/1")

    def do_PATCH(self):
        data = self.body()
        with self.registry.lock:
            self.registry.blobs[self.path.split("?")[0]] = self.registry.blobs.get(self.path.split("?")[0], b"") + data
        self.answer(202, Location=self.path.split("?")[0])

    def do_PUT(self):
        data = self.body()
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        with self.registry.lock:
            if "/blobs/uploads/" in path:
                data = self.registry.blobs.pop(path, b"") + data
                self.registry.blobs[digest(data)] = data
                return self.answer(201, Docker_Content_Digest=digest(data))
            name = "/".join(parts[1:-2])
            if not self.complete(name, json.loads(data)):
                return self.answer(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
            subject = json.loads(data).get("subject", {}).get("digest")
            if subject and not self.registry.artifacts:
                return self.answer(400, b'{"errors":[{"code":"MANIFEST_INVALID","message":"no artifacts here"}]}')
            entry = data, self.headers["Content-Type"]
            self.registry.manifests[name, parts[-1]] = entry
            self.registry.manifests[name, digest(data)] = entry
        more = {"OCI_Subject": subject} if subject and self.registry.referrers_api else {}
        self.answer(201, Docker_Content_Digest=digest(data), **more)

    def complete(self, name, document):
        """Whether everything that a manifest or index names is here."""
        if "manifests" in document:
            return all((name, entry["digest"]) in self.registry.manifests for entry in document["manifests"])
        return all(blob["digest"] in self.registry.blobs for blob in [document["config"], *document["layers"]])


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI layout directory, or a tar of one."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.tar = tarfile.open(place) if self.place.is_file() else None

    def read(self, name):
        return self.tar.extractfile(name).read() if self.tar else (self.place / name).read_bytes()

    def blob(self, wanted):
        data = self.read("blobs/sha256/" + wanted.removeprefix("sha256:"))
        equal(digest(data), wanted, "a blob's digest")
        return data

    def document(self, wanted):
        return json.loads(self.blob(wanted))

    def root(self):
        return json.loads(self.read("index.json"))["manifests"][0]

    def images(self):
        """(platform, manifest, config) of each image."""
        root = self.root()
        document = self.document(root["digest"])
        entries = document["manifests"] if "manifests" in document else [root]
        for entry in entries:
            manifest = self.document(entry["digest"])
            yield entry.get("platform"), manifest, self.document(manifest["config"]["digest"])

    def files(self, manifest):
        """path -> TarInfo of the topmost entry, and path -> bytes."""
        infos, contents = {}, {}
        for layer in manifest["layers"]:
            data = unpacked(self.blob(layer["digest"]))
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for info in tar:
                    infos[info.name.rstrip("/")] = info
                    if info.isfile():
                        contents[info.name] = tar.extractfile(info).read()
        return infos, contents


def unpacked(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    return data


def search(directory, needle):
    """Files below a directory that hold the bytes, as they are or in anything packed in them."""
    found = []
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if needle in data:
            found.append(str(path))
            continue
        try:
            if needle in unpacked(data):
                found.append(str(path) + " (unpacked)")
        except (OSError, EOFError, subprocess.CalledProcessError):
            pass
    return found
