"""Bills of materials as referrers of an image: attached, pushed, saved, loaded, swept."""
import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request

from bench import OCI_INDEX, Failure, Layout, Skip, contains, digest, equal, expect

TYPES = ["application/spdx+json", "application/vnd.cyclonedx+json"]
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def image(t, *names, text="x"):
    """An image with these names and what belongs to it: digest -> type."""
    tags = [word for name in names for word in ("-t", name)]
    t.build(*tags, t.context("FROM BASE\nCOPY f /f\n", f=text), env={"SOURCE_DATE_EPOCH": "1600000000"})
    t.dlc("image", "sbom", "--attach", names[0])
    attached = {one["digest"]: one["artifact_type"] for one in t.inspect(names[0])["referrers"]}
    equal(sorted(attached.values()), TYPES)
    return attached


def docker_registry(t):
    """host:port of Debian's registry, which has no referrers API."""
    if not shutil.which("docker-registry"):
        raise Skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = t.write("registry.yml", f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {t.home}/registry}}}}\n"
                     f"http: {{addr: 127.0.0.1:{port}}}\n")
    process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.closers.append(lambda: (process.kill(), process.wait()))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"127.0.0.1:{port}"
        time.sleep(0.05)
    raise Failure("docker-registry did not start")


def fetch(host, path):
    request = urllib.request.Request(f"http://{host}/v2/{path}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json, " + OCI_INDEX})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def check_attached_by_hand(t):
    t.fresh_store()
    attached = image(t, "by-hand:1", "by-hand:other")
    done = t.dlc("image", "sbom", "--attach", "by-hand:other")
    equal(dict(reversed(line.split()[1:]) for line in done.out.splitlines()), attached, "by another name")
    shown = t.inspect("by-hand:1")
    equal(len(shown["referrers"]), 2)
    expect(all(one["size"] > 100 and one["subject"] == shown["digest"] for one in shown["referrers"]), shown["referrers"])
    text = t.dlc("image", "inspect", "by-hand:1").out
    for one, kind in attached.items():
        contains(text, f"{one}  {kind}  ")
    contains(t.dlc("image", "sbom", "--attach", "-o", "x", "by-hand:1", status=2).err, "exclude each other")
    image(t, "by-hand:2", text="y")
    t.dlc("image", "sbom", "--attach", "--format", "spdx", "base.test/base:1")
    equal([one["artifact_type"] for one in t.inspect("base.test/base:1")["referrers"]], TYPES[:1], "one alone")
    t.dlc("image", "rm", "by-hand:1")
    t.dlc("store", "gc", "--keep", "0")
    equal(len(t.inspect("by-hand:other")["referrers"]), 2, "after gc")
    equal(t.dlc("store", "check").status, 0)
    t.dlc("image", "rm", "by-hand:other")
    t.dlc("store", "gc", "--keep", "0")
    left = {path.name for path in (t.store / "blobs").rglob("*")}
    expect(not any(one.removeprefix("sha256:") in left for one in attached), "gc left a document of an image that is gone")
    equal(len(t.inspect("by-hand:2")["referrers"]), 2, "of the other image")


def check_same_image_same_documents(t):
    t.fresh_store()
    first = image(t, "first:1")
    t.store = t.home / "another"
    t.dlc("image", "load", "-i", t.shared.work / "base.tar")
    equal(image(t, "second:2"), first, "in another store, under another name")


def check_pushed_to_a_registry_with_the_api(t):
    host, registry = t.registry(referrers_api=True)
    attached = image(t, f"{host}/app:1")
    contains(t.dlc("image", "push", f"{host}/app:1").out, "; 2 attached\n")
    subject = t.inspect(f"{host}/app:1")["digest"]
    equal({one["digest"]: one["artifactType"] for one in registry.referrers("app", subject)}, attached)
    for one, kind in attached.items():
        manifest = json.loads(registry.manifests["app", one][0])
        equal(manifest["config"], {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2, "data": "e30="})
        equal(manifest["subject"]["digest"], subject)
        layer, = manifest["layers"]
        equal(layer["mediaType"], kind)
        document = json.loads(registry.blobs[layer["digest"]])
        expect(document.get("spdxVersion") == "SPDX-2.3" or document.get("specVersion") == "1.6", "no bill of materials")
        equal(manifest["annotations"]["org.opencontainers.image.created"], "2020-09-13T12:26:40Z")
    expect(not any(tag.startswith("sha256-") for _, tag in registry.manifests), "a list under a tag was written too")


def check_pushed_to_a_registry_without(t):
    """Debian's docker-registry checks what it takes; the list under the tag keeps what others put there."""
    host = docker_registry(t)
    attached = image(t, f"{host}/app:1")
    subject = t.inspect(f"{host}/app:1")["digest"]
    t.dlc("image", "push", f"{host}/app:1")
    place = "app/manifests/" + subject.replace(":", "-")
    listed = json.loads(fetch(host, place))
    equal({one["digest"]: one["artifactType"] for one in listed["manifests"]}, attached)
    for one in attached:
        manifest = fetch(host, "app/manifests/" + one)
        equal(digest(manifest), one)
        equal(digest(fetch(host, "app/blobs/" + json.loads(manifest)["layers"][0]["digest"])), json.loads(manifest)["layers"][0]["digest"])
    theirs = {"mediaType": listed["manifests"][0]["mediaType"], "digest": subject, "size": len(fetch(host, "app/manifests/1")),
              "artifactType": "x/y", "urls": ["https://x.test"]}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [theirs, listed["manifests"][1]]}).encode()
    urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/{place}", data=index, method="PUT", headers={"Content-Type": OCI_INDEX}),
                           timeout=60).close()
    t.dlc("image", "push", f"{host}/app:1")
    merged = json.loads(fetch(host, place))["manifests"]
    equal(merged[0], theirs, "the entry of others")
    equal([one["digest"] for one in merged[1:]], [listed["manifests"][i]["digest"] for i in (1, 0)])
    if shutil.which("skopeo"):
        done = subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{host}/app:{subject.replace(':', '-')}"],
                              capture_output=True, check=True, timeout=120)
        equal(json.loads(done.stdout)["manifests"], merged, "as skopeo sees it")


def check_a_registry_that_takes_no_artifacts(t):
    host, registry = t.registry(artifacts=False)
    attached = image(t, f"{host}/app:1")
    done = t.dlc("image", "push", f"{host}/app:1", status=1)
    contains(done.err, f"{host}/app:1 is pushed, but not all that belongs to it: ")
    contains(done.err, "MANIFEST_INVALID: no artifacts here")
    contains(done.err, "dlc image push --no-referrers")
    expect(any(one in done.err for one in attached), "what was not pushed is not named")
    expect(("app", "1") in registry.manifests, "the image is not there")
    t.dlc("image", "push", "--no-referrers", f"{host}/app:1")


def check_image_build_takes_them_along(t):
    host, registry = t.registry(referrers_api=True)
    attached = image(t, "along:1")
    again = ("-t", f"{host}/along:1", t.home / "context")
    t.build("--push", *again, env={"SOURCE_DATE_EPOCH": "1600000000"})
    equal({one["digest"] for one in registry.referrers("along", t.inspect("along:1")["digest"])}, set(attached))
    t.build("-o", f"type=oci,tar=false,dest={t.home}/oci", *again, env={"SOURCE_DATE_EPOCH": "1600000000"})
    t.build("-o", f"type=docker,dest={t.home}/docker.tar", *again, env={"SOURCE_DATE_EPOCH": "1600000000"})
    equal(len(json.loads(Layout(t.home / "oci").read("index.json"))["manifests"]), 3, "type=oci")
    equal(len(json.loads(Layout(t.home / "docker.tar").read("index.json"))["manifests"]), 1, "type=docker")


def check_saved_and_loaded(t):
    t.fresh_store()
    attached = image(t, "saved:1")
    subject = t.inspect("saved:1")["digest"]
    t.dlc("image", "save", "--format", "oci-dir", "-o", "dir", "saved:1")
    t.dlc("image", "save", "--format", "oci", "-o", "oci.tar", "saved:1")
    t.dlc("image", "save", "--format", "docker", "-o", "docker.tar", "saved:1")
    t.dlc("image", "save", "--format", "oci", "--no-referrers", "-o", "bare.tar", "saved:1")
    for name, count in (("dir", 3), ("oci.tar", 3), ("docker.tar", 1), ("bare.tar", 1)):
        entries = json.loads(Layout(t.home / name).read("index.json"))["manifests"]
        equal(len(entries), count, name)
        equal(entries[0]["digest"], subject)
        for entry in entries[1:]:
            equal(entry["artifactType"], attached[entry["digest"]])
            expect("org.opencontainers.image.ref.name" not in entry["annotations"] and "platform" not in entry, entry)
            document = Layout(t.home / name).document(entry["digest"])
            Layout(t.home / name).document(document["layers"][0]["digest"])
        t.store = t.home / f"store-{name}"
        t.dlc("image", "load", "-i", name)
        equal({one["digest"] for one in t.inspect("saved:1")["referrers"]}, set(attached) if count == 3 else set(), name)
    with tarfile.open(t.home / "docker.tar") as tar:
        equal([one for one in tar.getnames() if one.endswith(EMPTY.removeprefix("sha256:"))], [], "what docker would load")


def check_other_tools_read_the_layout(t):
    if not shutil.which("skopeo") or not shutil.which("umoci"):
        raise Skip("skopeo or umoci is not installed")
    image(t, "tools:1")
    t.dlc("image", "save", "--format", "oci-dir", "-o", "dir", "tools:1")

    def run(*words):
        return subprocess.run(words, cwd=t.home, capture_output=True, check=True, text=True, timeout=120).stdout

    equal(run("umoci", "ls", "--layout", "dir").split(), ["1"], "umoci ls")
    run("umoci", "stat", "--image", "dir:1")
    equal(json.loads(run("skopeo", "inspect", "oci:dir:1"))["Digest"], t.inspect("tools:1")["digest"], "skopeo inspect")
    run("skopeo", "--insecure-policy", "copy", "-q", "oci:dir:1", "oci:copy:1")
    run("umoci", "gc", "--layout", "dir")  # it walks the index, and removes the blobs that no entry leads to
    t.store = t.home / "store"
    t.dlc("image", "load", "-i", "dir")
    equal(len(t.inspect("tools:1")["referrers"]), 2, "after umoci gc")


def check_matrix_build_attaches_before_it_pushes(t):
    host, registry = t.registry(referrers_api=True)
    t.write("fw/training/docker/Dockerfile.cpu", "FROM scratch\nCOPY f /f\n")
    t.write("fw/training/f", "x")
    t.write("fw/buildspec.yml", "account_id: &A 1\nregion: &R r\nframework: &F fw\nversion: &V 1.0.0\nimages:\n  Image:\n    image_type: training\n"
            f"    root: fw/training\n    repository: {host}/pr-fw-training\n    build: true\n    image_size_baseline: 100\n"
            "    device_type: cpu\n    python_version: py3\n    tag_python_version: py3\n    tag: 1.0-cpu\n"
            "    docker_file: docker/Dockerfile.cpu\n    context:\n      f:\n        source: f\n        target: f\n")
    done = t.dlc("build", "--buildspec", "fw/buildspec.yml", "--sbom", "--push")
    contains(done.out, "; 2 attached\n")
    found = registry.referrers("pr-fw-training", t.inspect("pr-fw-training:1.0-cpu")["digest"])
    equal(sorted(one["artifactType"] for one in found), TYPES)
    registry.artifacts = False
    registry.manifests.clear()
    done = t.dlc("build", "--buildspec", "fw/buildspec.yml", "--push", status=1)
    contains(done.out, "is pushed, but not all that belongs to it")
    t.dlc("build", "--buildspec", "fw/buildspec.yml", "--push", "--no-referrers")
    # A list that cannot be written is an error of its own: the image, the push and the report are there all the same.
    (t.home / "logs/fw/Image.spdx.json").unlink()
    t.write("logs/fw/Image.spdx.json/in-the-way", "")
    done = t.dlc("build", "--buildspec", "fw/buildspec.yml", "--sbom", "--push", "--no-referrers", status=1)
    contains(done.err, "error: --sbom: pr-fw-training:1.0-cpu: ")
    contains(done.out, "Up to date")
    contains(done.out, "Pushed")
