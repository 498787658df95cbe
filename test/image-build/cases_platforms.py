"""--platform: foreign platforms, several at once, and what the other commands make of an index."""
import json

from bench import Layout, contains, equal, expect

FILES = "FROM scratch\nARG TARGETARCH\nARG TARGETVARIANT\nCOPY . /files-$TARGETARCH$TARGETVARIANT\nLABEL arch=$TARGETARCH\n"


def platforms(layout):
    return [f"{p['os']}/{p['architecture']}" + (f"/{p['variant']}" if "variant" in p else "") for p, _, _ in layout.images()]


def check_files_need_no_emulation(t):
    place = t.home / "arm"
    t.build("--platform", "linux/arm64", "-o", f"type=oci,tar=false,dest={place}", t.context(FILES, a_txt="a"))
    (_, manifest, config), = Layout(place).images()
    equal((config["architecture"], config["os"]), ("arm64", "linux"))
    equal(config["config"]["Labels"], {"arch": "arm64"})
    _, files = Layout(place).files(manifest)
    expect("files-arm64/a.txt" in files, sorted(files))


def check_several_make_an_index(t):
    place = t.home / "many"
    done = t.build("--platform", "linux/amd64,linux/arm64", "--platform", "linux/arm/v7", "-t", "many:1", "--annotation",
                   "index:about=all", "--annotation", "manifest[linux/arm64]:about=arm", "-o", "type=image", "-o",
                   f"type=oci,tar=false,dest={place}", "--metadata-file", t.home / "meta.json", "--iidfile", t.home / "iid",
                   t.context(FILES, a_txt="a"))
    layout = Layout(place)
    equal(platforms(layout), ["linux/amd64", "linux/arm64", "linux/arm/v7"])
    index = layout.document(layout.root()["digest"])
    equal(index["mediaType"], "application/vnd.oci.image.index.v1+json")
    equal(index["annotations"], {"about": "all"})
    equal([m.get("annotations", {}) for _, m, _ in layout.images()], [{}, {"about": "arm"}, {}])
    for (platform, manifest, config), directory in zip(layout.images(), ("amd64", "arm64", "armv7")):
        equal(config["architecture"], platform["architecture"])
        _, files = layout.files(manifest)
        expect(f"files-{directory}/a.txt" in files, sorted(files))
    equal((t.home / "iid").read_text(), layout.root()["digest"])
    meta = json.loads((t.home / "meta.json").read_text())
    equal(meta["containerimage.descriptor"]["mediaType"], index["mediaType"])
    expect("containerimage.config.digest" not in meta, "an index has no configuration")
    contains(done.err, "[linux/arm64 ")


def check_commands_take_an_index(t):
    context = t.context("FROM BASE AS amd64\nCMD [\"echo\", \"run\"]\nFROM scratch AS arm64\nCOPY Dockerfile /\n"
                        "ARG TARGETARCH\nFROM $TARGETARCH\n")
    t.build("--platform", "linux/amd64,linux/arm64", "-t", "index:1", context)
    equal(t.run_image("index:1"), "run\n")
    listed = json.loads(t.dlc("image", "ls", "--output", "json", "index").out)["images"][0]
    equal(listed["platform"], "linux/amd64, linux/arm64")
    image = t.inspect("index:1")
    equal(image["platform"], "linux/amd64")
    equal([p["platform"] for p in image["platforms"]], ["linux/amd64", "linux/arm64"])
    arm = t.inspect("index:1", "--platform", "linux/arm64")
    equal(arm["config"]["architecture"], "arm64")
    contains(t.dlc("image", "inspect", "index:1").out, "linux/amd64, linux/arm64")
    t.dlc("image", "save", "--format", "oci-dir", "-o", t.home / "saved", "index:1")
    equal(platforms(Layout(t.home / "saved")), ["linux/amd64", "linux/arm64"])
    t.dlc("image", "tag", "index:1", "index:2")
    equal(t.inspect("index:2")["digest"], image["digest"])
    host, registry = t.registry()
    t.dlc("image", "push", "index:1", f"{host}/index:1")
    equal(registry.manifests["index", "1"][1], "application/vnd.oci.image.index.v1+json")
    done = t.dlc("run", "--platform", "linux/riscv64", "index:1", status=125)
    contains(done.err, "is not in the store for linux/riscv64")
    t.build("--platform", "linux/arm64", "-t", "from-index:1", t.context("FROM index:1\nLABEL a=b\n", name="child"))
    equal(t.inspect("from-index:1")["config"]["architecture"], "arm64")
    t.dlc("store", "check")


def check_an_index_is_kept_by_gc(t):
    t.fresh_store()
    t.build("--platform", "linux/amd64,linux/arm64", "-t", "kept:1", t.context(FILES, a_txt="a"))
    t.dlc("store", "gc", "--keep", "0", status=None)
    t.dlc("image", "save", "-o", t.home / "kept.tar", "kept:1")
    t.dlc("store", "check")


def check_directories_by_platform(t):
    context = t.context(FILES, a_txt="a")
    t.build("--platform", "linux/amd64,linux/arm64", "-o", t.home / "tree", context)
    equal(sorted(p.name for p in (t.home / "tree").iterdir()), ["linux_amd64", "linux_arm64"])
    equal((t.home / "tree/linux_arm64/files-arm64/a.txt").read_text(), "a")
    t.build("--platform", "linux/amd64,linux/arm64", "-o", f"type=local,dest={t.home}/flat,platform-split=false", context)
    equal(sorted(p.name for p in (t.home / "flat").iterdir()), ["files-amd64", "files-arm64"])


def check_a_foreign_run_says_what_to_do(t):
    context = t.context("FROM scratch\nCOPY Dockerfile /\nRUN [\"/x\"]\n")
    done = t.build("--platform", "linux/s390x", context, status=None)
    if done.status == 0:
        return  # an emulator for it is registered here
    equal(done.status, 1)
    contains(done.err, "Dockerfile:3")
    contains(done.err, "a step for linux/s390x cannot run on this machine")
    contains(done.err, "qemu-user-static")
    expect("[1/2] COPY" not in done.err, "steps ran although the build could not succeed:\n" + done.err)


def check_build_platform(t):
    context = t.context("FROM --platform=$BUILDPLATFORM BASE AS tool\nARG TARGETARCH TARGETPLATFORM BUILDPLATFORM\n"
                        "RUN echo $BUILDPLATFORM to $TARGETPLATFORM >/made\nFROM scratch\nCOPY --from=tool /made /\n")
    place = t.home / "cross"
    t.build("--platform", "linux/amd64,linux/arm64", "-o", f"type=oci,tar=false,dest={place}", context)
    texts = [Layout(place).files(m)[1]["made"].decode() for _, m, _ in Layout(place).images()]
    equal([text.split(" to ")[1] for text in texts], ["linux/amd64\n", "linux/arm64\n"])
    equal(len({text.split(" to ")[0] for text in texts}), 1, "build platforms")
